"""Answers as bytes. A task that has not changed is encoded once, however often it is asked for."""

from collections.abc import Iterable

import msgspec
from cachetools import LRUCache

from jobyard.apis.tes.mapping import TaskMapper
from jobyard.apis.tes.options import TesOptions
from jobyard.apis.tes.states import StateTable
from jobyard.domain.job import Job, JobId
from jobyard.domain.state import Standing

_CACHE = 32 * 1024**2  # bytes
_LARGEST_CACHED = 256 * 1024  # bytes


class Renderer:
    """For one process; not for several threads."""

    def __init__(self, options: TesOptions, states: StateTable) -> None:
        self._mapper = TaskMapper(options, states)
        self._encode = msgspec.json.Encoder().encode
        self._tails = {standing: f'","state":"{name}"}}'.encode() for standing, name in states.names.items()}
        self._cache: LRUCache[tuple[JobId, int, bool], bytes] = LRUCache(_CACHE, getsizeof=len)

    def minimal(self, id: JobId, standing: Standing) -> bytes:
        """Two keys and no more. Ids are URL-safe, so nothing in them needs an escape."""
        return b'{"id":"' + id.encode() + self._tails[standing]

    def task(self, job: Job, *, full: bool) -> bytes:
        key = (job.id, job.version, full)
        found = self._cache.get(key)
        if found is None:
            found = self._encode(self._mapper.task(job, full=full))
            if len(found) <= _LARGEST_CACHED:
                self._cache[key] = found
        return found


def list_answer(tasks: Iterable[bytes], next_page_token: str | None) -> bytes:
    token = b"" if next_page_token is None else b',"next_page_token":"' + next_page_token.encode() + b'"'
    return b'{"tasks":[' + b",".join(tasks) + b"]" + token + b"}"
