"""A container engine of this host, driven through its command line."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from signal import SIGKILL
from subprocess import DEVNULL, PIPE
from typing import Literal

import structlog

from jobyard.domain.errors import Failure
from jobyard.executors.local.containers import Dialect, pull_may_pass, reference

_log = structlog.stdlib.get_logger(__name__)

_PATIENCE_S = 60.0
"""For what an engine does without the network."""
_PROBE_TIMEOUT_S = 10

_PREFIXES = ("CONTAINERS_", "CONTAINER_", "DOCKER_", "XDG_", "BUILDAH_", "STORAGE_")
_NAMES = frozenset(
    {"DBUS_SESSION_BUS_ADDRESS", "HOME", "LANG", "PATH", "REGISTRY_AUTH_FILE", "SSL_CERT_DIR"}
    | {"SSL_CERT_FILE", "TMPDIR", "USER"}
    | {"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"}
)


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What an engine needs of ours. Nothing of it reaches a container."""
    return {key: value for key, value in environment.items() if key in _NAMES or key.startswith(_PREFIXES)}


def probe(program: str) -> str:
    """What keeps an engine from working here; empty if nothing."""
    words = [program, "info", "--format", "{{.}}"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            words, capture_output=True, text=True, errors="replace", timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return _last_line(done.stderr) or f"exit code {done.returncode}" if done.returncode else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    program: str
    dialect: Dialect
    environment: dict[str, str]
    pull: Literal["missing", "always", "never"]

    async def prepare(self, images: Iterable[str], note: Callable[[str], None]) -> None:
        """Have the images here. Raises `Failure`; cancelling stops a pull."""
        for name in dict.fromkeys(reference(image) for image in images):
            if self.pull != "always" and await self._has(name):
                continue
            if self.pull == "never":
                raise Failure(f"the image {name} is not on this host, and none are pulled here")
            note(f"pulling the image {name}")
            code, complaint = await self._ask("pull", "--quiet", name)
            if code:
                await self._explain(name, complaint)
            note(f"pulled the image {name}")

    async def kill(self, names: Sequence[str]) -> None:
        """End containers now. Silent about those that are gone; what fails is logged."""
        await self._do(("kill", "--signal", str(int(SIGKILL))), names)

    async def remove(self, names: Sequence[str]) -> None:
        """End containers now and leave nothing of them. Silent as `kill` is."""
        await self._do(self.dialect.remove, names)

    async def trouble(self) -> str:
        """What keeps it from working now; empty if nothing."""
        try:
            code, complaint = await self._ask("info", "--format", "{{.}}", timeout_s=_PATIENCE_S)
        except (OSError, TimeoutError) as error:
            return str(error) or "it does not answer"
        return _last_line(complaint) or f"exit code {code}" if code else ""

    async def _has(self, name: str) -> bool:
        code, _ = await self._ask("image", "inspect", "--format", "{{.Id}}", name, timeout_s=_PATIENCE_S)
        return code == 0

    async def _explain(self, name: str, complaint: str) -> None:
        """Raises `Failure`: always."""
        if trouble := await self.trouble():
            raise Failure(f"{self.dialect.name} does not work on this host: {trouble}", passing=True)
        passing = pull_may_pass(complaint)
        what = "cannot be pulled now" if passing else "cannot be pulled: it does not exist, or is not public"
        raise Failure(f"the image {name} {what} ({_last_line(complaint)})", passing=passing)

    async def _do(self, words: Sequence[str], names: Sequence[str]) -> None:
        """One by one, since a name that is gone keeps an engine from the others."""
        try:
            for name in names:
                await self._ask(*words, name, timeout_s=_PATIENCE_S)
        except (OSError, TimeoutError):
            _log.exception("container engine does not answer", engine=self.dialect.name)

    async def _ask(self, *words: str, timeout_s: float | None = None) -> tuple[int, str]:
        """The exit code, and what it said on standard error. Raises `OSError`, `TimeoutError`."""
        process = await asyncio.create_subprocess_exec(
            self.program, *words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=self.environment
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), timeout_s)
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        return process.returncode or 0, said.decode(errors="replace")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def default_user(dialect: Dialect) -> str:
    """Whoever in a container owns the files of this process's user. podman without root gives that user the
    number 0 inside.
    """
    return "0:0" if dialect.name == "podman" else f"{os.geteuid()}:{os.getegid()}"
