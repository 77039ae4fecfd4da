"""An attempt on disk: one directory, named after it. The script's marks in it are told in `script.py`.

Beside those: `spec.json` (the attempt was taken up), `view/` (the job's own files), `staging` (inputs began
to arrive), `run.sh` and `notes.json` (all is ready for the commands; what was told until then), `canceled`
and `timed-out` (the end was asked for), `result.json` (it ended).
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from jobyard.confined import Confined, Links
from jobyard.executors.base import Observation, Spec
from jobyard.executors.local.removal import remove, remove_if_small

CANCELED = "canceled"
TIMED_OUT = "timed-out"

_LAST_WORDS = 1000  # bytes


class Mark(NamedTuple):
    """What is known of a command that has begun."""

    started: datetime
    ended: datetime | None
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @property
    def view(self) -> Path:
        return self.path / "view"

    def take_up(self, spec: Spec) -> None:
        """Make what is missing."""
        if self.has("spec.json") and self.spec():
            return
        for place in (self.path, self.view):
            with suppress(FileExistsError):
                place.mkdir(mode=0o700)
        self._write("spec.json", msgspec.json.encode(spec))

    def spec(self) -> Spec | None:
        """None if the attempt was never taken up, or a power cut has left nothing of it."""
        try:
            return msgspec.json.decode((self.path / "spec.json").read_bytes(), type=Spec)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    @property
    def started(self) -> datetime | None:
        return self.time_of("spec.json")

    def mark(self, name: str) -> None:
        """Durable against the end of this process. The time of the first mark stays."""
        with suppress(FileExistsError):
            os.close(os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    @property
    def ready(self) -> bool:
        return self.has("run.sh")

    def lay_out(
        self,
        directories: Sequence[str],
        links: Mapping[str, str],
        files: Mapping[str, bytes],
        empty: Sequence[str] = (),
    ) -> None:
        """Make directories, links and empty files of the view, and files beside the script. What is there
        stays.
        """
        with Confined(self.view, links=Links.REROOT) as view:
            for path in directories:
                os.close(view.make_directory(path))
            for path in empty:
                if view.kind(path) is None:
                    os.close(view.create_file(path))
        for path, target in links.items():
            with suppress(FileExistsError):
                (self.view / path.lstrip("/")).symlink_to(target)
        for name, data in files.items():
            (self.path / name).write_bytes(data)

    def make_ready(self, script: bytes, notes: Sequence[str]) -> None:
        if notes:
            self._write("notes.json", msgspec.json.encode(notes))
        self._write("run.sh", script)

    def last_words(self, number: int) -> str:
        """The last line that a command, or what should have run it, wrote on standard error."""
        try:
            lines = (self.path / f"{number}.stderr").read_bytes()[-_LAST_WORDS:].splitlines()
        except FileNotFoundError:
            return ""
        return next((line.decode(errors="replace") for line in reversed(lines) if line.strip()), "")

    def notes(self) -> list[str]:
        """What was told until all was ready."""
        try:
            return msgspec.json.decode((self.path / "notes.json").read_bytes(), type=list[str])
        except (FileNotFoundError, msgspec.DecodeError):
            return []

    def forget_view(self) -> None:
        remove(self.view)
        self.view.mkdir(mode=0o700)

    def time_of(self, name: str) -> datetime | None:
        try:
            return _changed(self.path / name)
        except FileNotFoundError:
            return None

    def pid(self) -> int | None:
        """The script's leader; None before it has taken the start."""
        text = self._line("pid")
        return int(text) if text else None

    def marks(self, count: int) -> tuple[Mark, ...]:
        """Of the commands that have begun, of `count`."""
        found = []
        for number in range(1, count + 1):
            started = self.time_of(f"{number}.start")
            if started is None:
                break
            code = self._line(f"{number}.exit")
            ended = self.time_of(f"{number}.exit") if code else None
            found.append(Mark(started, ended, int(code) if code else None))
        return tuple(found)

    def log(self, number: int, stream: str) -> int | None:
        """A descriptor of what a command wrote; None if nothing was written."""
        try:
            fd = os.open(self.path / f"{number}.{stream}", os.O_RDONLY)
        except FileNotFoundError:
            return None
        if os.fstat(fd).st_size:
            return fd
        os.close(fd)
        return None

    def job_file(self, path: str) -> int | None:
        """A descriptor of a regular file of the job's, which it may be writing to; None if there is none."""
        try:
            with Confined(self.view, links=Links.REROOT) as view:
                return view.open_file(path)
        except OSError:
            return None

    def trouble(self) -> str:
        """What the script's own shell complained of."""
        try:
            return (self.path / "trouble").read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def result(self) -> Observation | None:
        """None if it has not ended, or a power cut has left nothing of it."""
        try:
            return msgspec.json.decode((self.path / "result.json").read_bytes(), type=Observation)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def keep_result(self, result: Observation) -> None:
        self._write("result.json", msgspec.json.encode(result))

    def remove(self) -> None:
        remove(self.path)

    def remove_if_small(self) -> bool:
        """Remove it if that takes microseconds only."""
        return remove_if_small(self.path, "view/tmp", "view")

    def _write(self, name: str, data: bytes) -> None:
        """All or nothing."""
        new = self.path / f"{name}.new"
        new.write_bytes(data)
        new.rename(self.path / name)

    def _line(self, name: str) -> str | None:
        """A file's line, if it is complete."""
        try:
            text = (self.path / name).read_text()
        except FileNotFoundError:
            return None
        return text[:-1] if text.endswith("\n") else None


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
