"""Bring the inputs of a job into its view, and store its outputs from there.

The view is a directory that stands for the job's `/`. When outputs are stored, what is in it was written by
strangers: links in it are followed as if it were the root, and nothing but regular files is opened.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from jobyard.confined import Confined, Links
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, Input, Output, StoredOutput, masked
from jobyard.staging.base import Journal, Sink, Source
from jobyard.staging.outputs import Upload, find_outputs
from jobyard.staging.urls import child, printable, scheme_of

_T = TypeVar("_T")
_R = TypeVar("_R")
_B = TypeVar("_B")


class Staging:
    """Blobs by the scheme of their URLs. `transfers` is how many files move at once, all jobs together."""

    def __init__(self, *, sources: Mapping[str, Source], sinks: Mapping[str, Sink], transfers: int) -> None:
        self._sources = sources
        self._sinks = sinks
        self._turns = asyncio.Semaphore(transfers)
        self._transfers = transfers
        self.storage = tuple(dict.fromkeys(p for source in sources.values() for p in source.prefixes))

    def check(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
        """Raises `Failure` for a URL that could never be read, or written."""
        for item in inputs:
            if item.content is None:
                url = item.url or ""
                _of_scheme(url, self._sources, "read").check(url, item.type)
        for output in outputs:
            _of_scheme(output.url, self._sinks, "written").check_write(output.url)

    async def bring(self, inputs: Sequence[Input], view: Path, journal: Journal) -> None:
        """Put private, writable copies into the view. Raises `Failure`."""
        with Confined(view, links=Links.REROOT) as root:
            files = [part for item in inputs for part in await self._parts(root, item)]
            sizes = await self._each(files, lambda item: self._bring_one(root, item))
        journal.note(f"staged {len(sizes)} input file{'s'[: len(sizes) != 1]}, {sum(sizes)} bytes")

    async def store(
        self, outputs: Sequence[Output], view: Path, journal: Journal, *, missing_ok: bool
    ) -> None:
        """Store what is there of the outputs. Raises `Failure` after all have been tried."""
        with Confined(view, links=Links.REROOT) as root:
            found = await asyncio.to_thread(find_outputs, root, outputs)
            for line in (*found.warnings, *(found.missing if missing_ok else ())):
                journal.note(f"warning: {line}")
            results = await self._each(found.uploads, lambda upload: self._store_one(root, upload, journal))
        failures = [result for result in results if result is not None]
        if not missing_ok:
            failures += [Failure(line) for line in found.missing]
        if failures:
            reason = "; ".join(dict.fromkeys(map(str, failures)))
            raise Failure(reason, passing=all(failure.passing for failure in failures))

    async def _parts(self, root: Confined, item: Input) -> Sequence[Input]:
        """The files of an input, with the directories made that they go into."""
        if item.type is FileType.FILE:
            return (item,)
        url = item.url or ""
        entries = await _of_scheme(url, self._sources, "read").list(url)
        with _writing(item.path):
            os.close(root.make_directory(item.path))
            for name, type in entries:
                if type is FileType.DIRECTORY:
                    os.close(root.make_directory(f"{item.path}/{name}"))
        return [
            Input(path=f"{item.path}/{name}", url=child(url, name))
            for name, type in entries
            if type is FileType.FILE
        ]

    async def _bring_one(self, root: Confined, item: Input) -> int:
        """Returns the size in bytes."""
        with _writing(item.path):
            fd = root.create_file(item.path)
        try:
            if item.content is not None:
                _write_content(fd, item)
            else:
                url = item.url or ""
                await _of_scheme(url, self._sources, "read").fetch(url, fd)
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    async def _store_one(self, root: Confined, upload: Upload, journal: Journal) -> Failure | None:
        """A failure is returned, since the others are to be tried all the same."""
        path = printable(upload.path)
        try:
            fd = root.open_file(upload.path)
        except OSError as error:
            return Failure(f"{path}: cannot be read: {error.strerror}")
        try:
            size, sha256 = await _of_scheme(upload.url, self._sinks, "written").put(upload.url, fd)
        except Failure as failure:
            return failure
        finally:
            os.close(fd)
        journal.stored(StoredOutput(url=printable(upload.url), path=path, size=size, sha256=sha256))
        return None

    async def _each(self, items: Sequence[_T], action: Callable[[_T], Awaitable[_R]]) -> list[_R]:
        """Results in order. After an exception the others are stopped, and have stopped when it is raised."""
        results: dict[int, _R] = {}
        todo = iter(enumerate(items))

        async def work() -> None:
            for index, item in todo:
                async with self._turns:
                    results[index] = await action(item)

        workers = [asyncio.ensure_future(work()) for _ in range(min(self._transfers, len(items)))]
        try:
            await asyncio.gather(*workers)
        except BaseException:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            raise
        return [results[index] for index in range(len(items))]


def _of_scheme(url: str, known: Mapping[str, _B], done: str) -> _B:
    scheme = scheme_of(url)
    if found := known.get(scheme):
        return found
    raise Failure(
        f"{masked(url)}: URL storage not configured: {scheme or 'no scheme'}; "
        f"what can be {done} here: {', '.join(sorted(known)) or 'nothing'}"
    )


def _write_content(fd: int, item: Input) -> None:
    with _writing(item.path), open(fd, "wb", closefd=False) as file:
        file.write((item.content or "").encode())


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Into the view."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise Failure(f"{path}: the content is no Unicode text") from error
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}", passing=True) from error
