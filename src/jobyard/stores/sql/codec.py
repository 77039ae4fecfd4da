"""Job ↔ row: what is asked for in columns, the rest as JSON."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cachetools import LRUCache
from sqlalchemy import Row

from jobyard.domain.job import Attempt, Job, JobId
from jobyard.domain.resources import Request
from jobyard.domain.state import State, Wanted
from jobyard.domain.work import Work
from jobyard.stores.base import Waiting

_NOTHING = Request()
_CACHED_BYTES = 16 * 1024**2
_CACHEABLE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The part of a job that never changes and is not a column."""

    api: str
    work: Work
    description: str | None
    tags: dict[str, str] | None
    time_limit: timedelta | None
    max_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The part that changes and is not a column."""

    attempts: tuple[Attempt, ...]


_encode = msgspec.json.Encoder().encode
_decode_document = msgspec.json.Decoder(Document).decode
_decode_progress = msgspec.json.Decoder(Progress).decode


def job_values(job: Job) -> dict[str, object]:
    """The row of table `jobs` for a new job."""
    request = job.work.resources or _NOTHING
    return {
        "number": job.number,
        "id": job.id,
        "state": job.state.value,
        "wanted": job.wanted.value,
        "version": job.version,
        "owner": job.owner,
        "name": job.name,
        "created": job.created,
        "cores": request.cores,
        "memory_gb": request.memory_gb,
        "disk_gb": request.disk_gb,
        "not_before": job.not_before,
        "progress": progress_of(job),
    }


def document_of(job: Job) -> bytes:
    return _encode(
        Document(
            api=job.api,
            work=job.work,
            description=job.description,
            tags=job.tags,
            time_limit=job.time_limit,
            max_attempts=job.max_attempts,
        )
    )


def progress_of(job: Job) -> bytes:
    return _encode(Progress(attempts=job.attempts))


class Reader:
    """Rows to jobs. Remembers the latest version of each, for jobs are read far more often than changed."""

    def __init__(self) -> None:
        self._seen: LRUCache[int, tuple[int, Job]] = LRUCache(_CACHED_BYTES, getsizeof=_size)

    def job(self, row: Row[*tuple[Any, ...]]) -> Job:
        """From a row of `jobs` joined with `documents`."""
        number: int = row.number
        seen = self._seen.get(number)
        if seen is not None and seen[0] == row.version:
            return seen[1]
        job = _job(row)
        if cacheable(row):
            self._seen[number] = (row.version, job)
        return job


def cacheable(row: Row[*tuple[Any, ...]]) -> bool:
    """Whether the job is small enough to be kept in memory."""
    return len(row.document) + len(row.progress) <= _CACHEABLE_BYTES


def _size(entry: tuple[int, Job]) -> int:
    """Bytes, roughly: what the job's long texts take, and a flat sum for the rest."""
    job = entry[1]
    contents = sum(len(file.content) for file in job.work.inputs if file.content)
    streams = sum(
        len(log.stdout or "") + len(log.stderr or "") for attempt in job.attempts for log in attempt.commands
    )
    return 4096 + contents + streams


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    document = _decode_document(row.document)
    return Job(
        id=JobId(row.id),
        number=row.number,
        version=row.version,
        state=State(row.state),
        wanted=Wanted(row.wanted),
        owner=row.owner,
        name=row.name,
        created=row.created,
        not_before=row.not_before,
        api=document.api,
        work=document.work,
        description=document.description,
        tags=document.tags,
        time_limit=document.time_limit,
        max_attempts=document.max_attempts,
        attempts=_decode_progress(row.progress).attempts,
    )


def waiting(row: Row[*tuple[Any, ...]]) -> Waiting:
    not_before: datetime | None = row.not_before
    return Waiting(
        number=row.number,
        id=JobId(row.id),
        request=Request(cores=row.cores, memory_gb=row.memory_gb, disk_gb=row.disk_gb),
        not_before=not_before,
    )
