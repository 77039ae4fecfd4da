"""What a job does: a superset of a TES task, since TES is the most complete of the protocols."""

from dataclasses import dataclass

from jobyard.domain.files import Input, Output
from jobyard.domain.resources import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program run (a TES executor). Paths are absolute, in the job's view."""

    image: str
    argv: tuple[str, ...]
    workdir: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    env: dict[str, str] | None = None
    ignore_error: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Commands run in order; the next starts only if the one before succeeded or had `ignore_error`."""

    commands: tuple[Command, ...]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    volumes: tuple[str, ...] = ()
    """Directories shared between the commands, empty at the start, gone at the end."""
    missing_outputs_ok: bool = False
    """An output that the commands did not make is a warning, not an error."""
    resources: Request | None = None
    """None where the request had none, which is not the same as an empty one when shown again."""
