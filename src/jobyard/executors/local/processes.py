"""Start, find, watch and end processes. None of it waits."""

import asyncio
import os
import signal
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_DEFAULTED = (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
"""Signals that the server may ignore or handle, and its jobs must not inherit."""

_SHELL = "/bin/sh"


def spawn(directory: Path, env: dict[str, str]) -> int:
    """Run `directory/run.sh` there, in a session of its own. Returns the leader's process id.

    The directory stands among the arguments, which is how `runs` knows the process again.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        _SHELL,
        [_SHELL, "-c", 'cd "$1" && . ./run.sh', "sh", os.fspath(directory)],
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.fspath(directory / "trouble"), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULTED,
    )


def runs(pid: int, directory: Path) -> bool:
    """Whether `pid` is a process that `spawn` started for this directory, and alive."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(directory) in words


def exit_of(pid: int) -> asyncio.Future[None]:
    """Done when the process has ended, be it a child or not. Cancel it to stop watching."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        done.set_result(None)
        return done

    def ended() -> None:
        if not done.done():
            done.set_result(None)

    def let_go(_: asyncio.Future[None]) -> None:
        loop.remove_reader(fd)
        os.close(fd)

    loop.add_reader(fd, ended)
    done.add_done_callback(let_go)
    return done


def sweep(leader: int) -> None:
    """After the leader has ended: kill what is left of its process group, and reap it if it was our child."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(leader, os.WNOHANG)


def tell(leader: int, number: signal.Signals, *, but: Collection[int] = ()) -> set[int]:
    """Signal what the leader started, but not itself: it writes down how the others ended.

    Returns the processes told. A bwrap(1) is not asked to end, since it would take its command with it.
    """
    told = set()
    for process in _started_by(leader):
        if process.pid in but or (number == signal.SIGTERM and process.name == "bwrap"):
            continue
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)
            told.add(process.pid)
    return told


class _Process(NamedTuple):
    pid: int
    name: str
    parent: int
    session: int


def _started_by(leader: int) -> list[_Process]:
    """Descendants, and all of the session."""
    everything = list(_processes())
    family = {leader}
    grown = True
    while grown:
        more = {it.pid for it in everything if it.parent in family or it.session == leader} - family
        family |= more
        grown = bool(more)
    return [it for it in everything if it.pid in family and it.pid != leader]


def _processes() -> Iterator[_Process]:
    with os.scandir("/proc") as entries:
        pids = [entry.name for entry in entries if entry.name.isdigit()]
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()
        yield _Process(int(pid), name, int(fields[1]), int(fields[3]))
