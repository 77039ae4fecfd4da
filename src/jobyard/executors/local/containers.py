"""What a container engine is asked to do, as words and text. Pure.

Docker's command line and podman's are the same for nearly all of it; where they differ, `Dialect` says how.

* The command replaces the image's entrypoint; words and variables arrive as they are, and no shell of the
  image is needed: streams to files are opened by the script, outside the container.
* Declared directories are bound from the job's view; so is the directory around a declared file, since a
  file bound alone could not be renamed or replaced. Beneath `/`, and where an image keeps its own system, a
  file is bound alone all the same: the directory would hide what the command itself needs.
"""

import csv
import io
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from shlex import join, quote
from typing import Literal

from jobyard.domain.errors import Failure
from jobyard.domain.resources import Amount
from jobyard.domain.work import Command
from jobyard.executors.local.places import Places, clean
from jobyard.executors.local.script import BROKEN, Step

_RESERVED = ("/dev", "/proc", "/sys")
_SYSTEM = ("/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr")

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST})?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_TRANSPORTS = frozenset(
    {"containers-storage", "dir", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive"}
    | {"ostree", "sif", "tarball"}
)
"""podman takes what stands behind them for a path of the host, or asks another program for it."""

_REFUSALS = (
    "manifest unknown",
    "not found",
    "does not exist",
    "name unknown",
    "image not known",
    "no such image",
    "access to the resource is denied",
    "unauthorized",
    "authentication required",
    "invalid reference",
    "did not resolve to an alias",
    "no image found in",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """As in the section `[containers]` of the settings, which says what each means."""

    pull: Literal["missing", "always", "never"] = "missing"
    network: Literal["none", "default", "host"] = "none"
    user: str = ""
    read_only: bool = True
    capabilities: tuple[str, ...] = ()
    limits: bool = True
    max_processes: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What an engine's command line has of its own."""

    name: Literal["podman", "docker"]
    run: tuple[str, ...]
    relabel: tuple[str, ...]
    """Of a bound directory: the view is the job's own, so that SELinux may give it to the container."""
    remove: tuple[str, ...]


PODMAN = Dialect(
    name="podman",
    run=("--http-proxy=false",),
    relabel=("relabel=shared",),
    remove=("rm", "--force", "--ignore", "--volumes", "--time", "0"),
)
DOCKER = Dialect(name="docker", run=(), relabel=(), remove=("rm", "--force", "--volumes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """Paths of the job's that are bound from its view."""

    directories: tuple[str, ...]
    files: tuple[str, ...]

    def hold(self, path: str) -> bool:
        return any(_within(path, place) for place in self.directories)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What one command is run in."""

    name: str
    labels: Mapping[str, str]
    user: str
    """As `UID:GID`."""
    view: str
    mounts: Mounts
    env: Mapping[str, str]
    amount: Amount
    options: ContainerOptions


def container_names(key: str, count: int) -> tuple[str, ...]:
    """Of an attempt's commands."""
    return tuple(f"jobyard-{key}-{number}" for number in range(1, count + 1))


def reference(image: str) -> str:
    """The image's name for an engine. Raises `Failure` for what is no name of an image in a registry."""
    name = image.removeprefix("docker://")
    if not _REFERENCE.fullmatch(name) or name.partition(":")[0] in _TRANSPORTS:
        raise Failure(f"{image}: not the name of an image, such as docker.io/library/alpine:3")
    return name


def pull_may_pass(complaint: str) -> bool:
    """Whether it may go better later: the registry did not answer, rather than say no."""
    text = complaint.lower()
    return not any(refusal in text for refusal in _REFUSALS)


def mounts(declared: Places) -> Mounts:
    """Raises `Failure` for paths that a container cannot have."""
    for path in sorted(declared.directories | declared.files):
        if path == "/" or any(_within(path, place) for place in _RESERVED):
            raise Failure(f"{path}: a job cannot have files of its own in /, {', '.join(_RESERVED)}")
    around = {posixpath.dirname(path) for path in declared.files}
    bound = declared.directories | {path for path in around if path != "/" and not _is_system(path)}
    tops = tuple(
        path for path in sorted(bound) if not any(other != path and _within(path, other) for other in bound)
    )
    alone = (path for path in sorted(declared.files) if not any(_within(path, top) for top in tops))
    return Mounts(directories=tops, files=tuple(alone))


def run_words(dialect: Dialect, container: Container, command: Command) -> list[str]:
    """The arguments of the engine's program."""
    options = container.options
    words = ["run", "--name", container.name, "--pull", "never", "--log-driver", "none", *dialect.run]
    for key, value in container.labels.items():
        words += ["--label", f"{key}={value}"]
    words += ["--user", container.user, "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    for capability in options.capabilities:
        words += ["--cap-add", capability]
    if options.network != "default":
        words += ["--network", options.network]
    if options.read_only:
        words.append("--read-only")
    words += _limits(options, container.amount)
    for path in (*container.mounts.directories, *container.mounts.files):
        bound = ("type=bind", f"source={container.view}{path}", f"target={path}", *dialect.relabel)
        words += ["--mount", _fields(bound)]
    if command.workdir:
        words += _workdir(command.workdir, container.mounts)
    for key, value in (*container.env.items(), *(command.env or {}).items()):
        words += ["--env", f"{key}={value}"]
    if command.stdin:
        words.append("--interactive")
    return [*words, "--entrypoint", "", "--", reference(command.image), *command.argv]


def container_step(
    program: str, dialect: Dialect, container: Container, command: Command, *, tail: str
) -> Step:
    """A step of the script, which runs in the attempt's directory, the view in `view`.

    The job's earlier commands may have left links in its view, and nothing of it runs while the files of this
    command are opened: each part of a path is looked at, and a link is refused. `tail`: the words that show
    the end of the file named after them.
    """
    number = container.name.rpartition("-")[2]
    opens, redirects, copies = _streams(command, tail)
    run = join((program, *run_words(dialect, container, command)))
    remove = join((program, *dialect.remove, container.name))
    state = "{{.State.OOMKilled}} {{.State.Status}} {{.State.ExitCode}}"
    inspect = join((program, "container", "inspect", "--format", state, container.name))
    text = (
        # The trap lets this shell outlive a TERM that the container may take its time to obey.
        f"trap : TERM\n{opens}{run}{redirects}\ncode=$?\n"
        f"state=\n[ $code -eq 0 ] || state=$({inspect} 2>/dev/null)\n"
        'case "$code $state" in\n'
        f"*' true '*) : > {number}.oom ;;\n"
        "'125 false exited 125') ;;\n"
        f"'125 '*|*' running '*) : > {BROKEN} ;;\n"
        f"esac\n[ ! -e oom ] || mv oom {number}.oom\n{copies}{remove} >/dev/null 2>&1\nexit $code"
    )
    return Step(text=text, ignore_error=bool(command.ignore_error))


def _limits(options: ContainerOptions, amount: Amount) -> Iterator[str]:
    if options.max_processes:
        yield from ("--pids-limit", str(options.max_processes))
    if options.limits and amount.cores:
        yield from ("--cpus", str(amount.cores))
    if options.limits and amount.memory:
        yield from ("--memory", str(amount.memory), "--memory-swap", str(amount.memory))


def _workdir(path: str, bound: Mounts) -> Iterator[str]:
    """A volume without a name holds what the image has there, and is made where it has nothing."""
    yield from ("--workdir", path)
    place = clean(path)
    if not (bound.hold(place) or place == "/" or _is_system(place)):
        yield from ("--mount", _fields(("type=volume", f"target={place}")))


def _streams(command: Command, tail: str) -> tuple[str, str, str]:
    """The text before the program, its redirections, and the text after it."""
    opens, redirects, copies = "", "", ""
    if command.stdin:
        file = _in_view(command.stdin)
        opens += f"{_refuse_links(command.stdin)}[ -f {file} ] || {_refuse(command.stdin, 'no such file')}\n"
        opens += f"exec 5<{file}\n"
        redirects += " <&5"
    if command.stdout:
        opens += _open_for_writing(command.stdout, 3)
        redirects += " >&3"
        copies += f"{tail} /dev/fd/3 2>/dev/null\n"
    if command.stderr and command.stderr == command.stdout:
        redirects += " 2>&1"
    elif command.stderr:
        opens += _open_for_writing(command.stderr, 4)
        redirects += " 2>&4"
        copies += f"{tail} /dev/fd/4 >&2 2>/dev/null\n"
    return opens, redirects, copies


def _open_for_writing(path: str, fd: int) -> str:
    file = _in_view(path)
    return (
        f"{_refuse_links(path)}mkdir -p {quote(posixpath.dirname(f'view{clean(path)}'))}\n"
        f"[ -f {file} ] || [ ! -e {file} ] || {_refuse(path, 'not a regular file')}\nexec {fd}>{file}\n"
    )


def _refuse_links(path: str) -> str:
    parts = clean(path).strip("/").split("/")
    places = ("view/" + "/".join(parts[: length + 1]) for length in range(len(parts)))
    return f'for place in {join(places)}; do [ ! -L "$place" ] || {_refuse(path, "a symbolic link")}; done\n'


def _refuse(path: str, reason: str) -> str:
    return f"{{ printf '%s\\n' {quote(f'{path}: {reason}')} >&2; exit 1; }}"


def _in_view(path: str) -> str:
    return quote(f"view{clean(path)}")


def _fields(words: Collection[str]) -> str:
    """As the engines read them: comma-separated, quoted where a path needs it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(words)
    return text.getvalue()


def _is_system(path: str) -> bool:
    return any(_within(path, place) for place in _SYSTEM)


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
