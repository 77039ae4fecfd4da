"""What commands wrote: the ends of their streams."""

import os

from jobyard.domain.job import CommandLog
from jobyard.domain.work import Work
from jobyard.executors.local.folder import Folder

_CONTINUATION = range(0x80, 0xC0)  # bytes of UTF-8 that begin no character


def command_logs(work: Work, folder: Folder, limit: int) -> tuple[CommandLog, ...]:
    """Of the commands that have begun; streams hold the last `limit` bytes."""
    marks = folder.marks(len(work.commands))
    logs = []
    for number, (command, mark) in enumerate(zip(work.commands, marks, strict=False), start=1):
        latest = number == len(marks)
        logs.append(
            CommandLog(
                started=mark.started,
                ended=mark.ended,
                exit_code=mark.exit_code,
                stdout=_stream(folder, number, "stdout", command.stdout if latest else None, limit),
                stderr=_stream(folder, number, "stderr", command.stderr if latest else None, limit),
            )
        )
    return tuple(logs)


def _stream(folder: Folder, number: int, name: str, path: str | None, limit: int) -> str:
    """`path`: the job's file that still holds the stream, if its end is not in our own log (yet)."""
    fd = folder.log(number, name)
    if fd is None and path:
        fd = folder.job_file(path)
    return "" if fd is None else tail_of(fd, limit)


def tail_of(fd: int, limit: int) -> str:
    """The end of a file as text: at most `limit` bytes, beginning with a whole character. Closes `fd`."""
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, limit, max(0, size - limit))
    finally:
        os.close(fd)
    if size > limit:
        data = data[_cut(data) :]
    return data.decode(errors="replace")


def _cut(data: bytes) -> int:
    """How many bytes at the beginning belong to a character that began before."""
    return next((i for i, byte in enumerate(data[:4]) if byte not in _CONTINUATION), 0)
