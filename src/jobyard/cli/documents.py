"""Task documents from files, and from the options of `submit` and `run`."""

import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec

import typer

from jobyard.domain.errors import Invalid

P = ParamSpec("P")

IMAGE = "alpine"
"""The container image where none is asked for; servers that run plain processes ignore it."""

_STDIN, _STDOUT, _STDERR = "/inputs/stdin", "/outputs/stdout", "/outputs/stderr"
"""Where files for the streams are kept in the job."""

_LONGEST_NAME = 80  # characters
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_WILDCARD = re.compile(r"[*?\[]")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """A task of one command, as options say it (contract tes 3.17)."""

    image: Annotated[
        str, typer.Option(help="Container image; servers that run plain processes ignore it.")
    ] = IMAGE
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="A label, not unique; by default the command.")
    ] = None
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None
    tag: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="A tag; repeat it for more.")] = field(
        default_factory=list
    )
    input: Annotated[
        list[str],
        typer.Option(
            "--in",
            "-i",
            metavar="PATH=URL",
            help="Bring a file or directory to PATH in the job. URL may be a local path. One that ends "
            "in / or is a directory here is brought as a directory.",
        ),
    ] = field(default_factory=list)
    output: Annotated[
        list[str],
        typer.Option(
            "--out",
            "-o",
            metavar="PATH=URL",
            help="Keep what the job leaves at PATH. With wildcards in PATH, or a / at the end, URL is a "
            "directory.",
        ),
    ] = field(default_factory=list)
    content: Annotated[
        list[str],
        typer.Option(
            "--content",
            "-C",
            metavar="PATH=FILE",
            help="Send a small local text file along, to PATH in the job.",
        ),
    ] = field(default_factory=list)
    env: Annotated[
        list[str], typer.Option("--env", "-e", metavar="KEY=VALUE", help="An environment variable.")
    ] = field(default_factory=list)
    workdir: Annotated[str | None, typer.Option("--workdir", "-w", help="Working directory in the job.")] = (
        None
    )
    volume: Annotated[list[str], typer.Option(metavar="PATH", help="An empty directory in the job.")] = field(
        default_factory=list
    )
    stdin: Annotated[
        str | None, typer.Option(metavar="URL", help="File to read as standard input; URL or local path.")
    ] = None
    stdout: Annotated[
        str | None, typer.Option(metavar="URL", help="File to keep standard output in; URL or local path.")
    ] = None
    stderr: Annotated[
        str | None, typer.Option(metavar="URL", help="File to keep standard error in; URL or local path.")
    ] = None
    cpu: Annotated[int | None, typer.Option(min=1, help="Cores.")] = None
    ram: Annotated[float | None, typer.Option(min=0, help="Memory in GB (10^9 bytes).")] = None
    disk: Annotated[float | None, typer.Option(min=0, help="Disk in GB (10^9 bytes).")] = None


def with_task_options(
    command: Callable[Concatenate[TaskOptions, P], None],
) -> Callable[..., None]:
    """Gives a command the options of `TaskOptions`, and itself their values in one piece."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    shared = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default if option.default_factory is MISSING else option.default_factory(),
            annotation=option.type,
        )
        for option in fields(TaskOptions)
    ]

    @wraps(command)
    def bound(**values: object) -> None:
        options = {parameter.name: values.pop(parameter.name) for parameter in shared}
        command(TaskOptions(**options), **values)  # type: ignore[arg-type,call-arg] # as the signature says

    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    signature = inspect.Signature([*keyword_only, *shared])
    bound.__signature__ = signature  # type: ignore[attr-defined] # where inspect looks first
    bound.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    return bound


def compose(options: TaskOptions, command: Sequence[str]) -> dict[str, object]:
    """The task document. Raises `Invalid` for options that make none; reads the files of `--content`."""
    executor = {
        "image": options.image,
        "command": list(command),
        "workdir": options.workdir,
        "stdin": options.stdin and _STDIN,
        "stdout": options.stdout and _STDOUT,
        "stderr": options.stderr and _STDERR,
        "env": _pairs("--env", options.env),
    }
    inputs = [_input(path, url) for path, url in _pairs("--in", options.input).items()]
    inputs += [_content(path, file) for path, file in _pairs("--content", options.content).items()]
    inputs += [_input(_STDIN, options.stdin)] if options.stdin else []
    outputs = [_output(path, url) for path, url in _pairs("--out", options.output).items()]
    outputs += [_output(_STDOUT, options.stdout)] if options.stdout else []
    outputs += [_output(_STDERR, options.stderr)] if options.stderr else []
    document = {
        "name": options.name or shlex.join(command)[:_LONGEST_NAME],
        "description": options.description,
        "tags": _pairs("--tag", options.tag),
        "inputs": inputs,
        "outputs": outputs,
        "volumes": options.volume,
        "resources": _present(cpu_cores=options.cpu, ram_gb=options.ram, disk_gb=options.disk),
        "executors": [_present(**executor)],
    }
    return _present(**document)


def _present(**members: object) -> dict[str, object]:
    """Without what was not asked for."""
    return {key: value for key, value in members.items() if value not in (None, [], {}, "")}


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not (mark and key):
            raise Invalid(f"{option} {text} should have the form KEY=VALUE")
        if key in pairs:
            raise Invalid(f"{option} {key} is given twice")
        pairs[key] = value
    return pairs


def _input(path: str, url: str) -> dict[str, object]:
    directory = url.endswith("/") or (not _SCHEME.match(url) and Path(url).is_dir())
    return {"path": path, "url": as_url(url), "type": "DIRECTORY" if directory else "FILE"}


def _content(path: str, file: str) -> dict[str, object]:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"--content {path}={file} is not UTF-8 text; use --in for other files") from error
    if not text:
        raise Invalid(f"--content {path}={file} is empty, which the standard does not allow")
    return {"path": path, "content": text, "type": "FILE"}


def _output(path: str, url: str) -> dict[str, object]:
    wildcard = _WILDCARD.search(path)
    prefix = path[: wildcard.start()].rpartition("/")[0] or "/" if wildcard else None
    type_ = "DIRECTORY" if path.endswith("/") else "FILE"
    bare = path.rstrip("/") or path
    return _present(path=bare, url=as_url(url), type=type_, path_prefix=prefix)


def as_url(text: str) -> str:
    """A URL as it is; a local path as a `file://` URL."""
    return (
        text if _SCHEME.match(text) else Path(text).absolute().as_uri() + ("/" if text.endswith("/") else "")
    )


def read_documents(files: Sequence[str]) -> list[dict[str, object]]:
    """The task documents in the files, `-` being standard input, in order.

    A file holds one document, an array of them, or several one after the other. Raises `Invalid`, naming the
    file and the place, and `OSError`.
    """
    return [document for file in files for document in _documents(*_read(file))]


def _read(file: str) -> tuple[str, str]:
    source = "standard input" if file == "-" else file
    try:
        return source, sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{source} is not UTF-8 text") from error


def _documents(source: str, text: str) -> Iterator[dict[str, object]]:
    found = 0
    for value in _values(source, text.removeprefix("\ufeff")):
        for document in value if isinstance(value, list) else [value]:
            found += 1
            if not isinstance(document, dict):
                raise Invalid(f"{source}: item {found} is not a JSON object, which a task is")
            yield document
    if not found:
        raise Invalid(f"{source} holds no task")


def _values(source: str, text: str) -> Iterator[object]:
    decoder = json.JSONDecoder()
    at = _end_of_space(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise Invalid(f"{source}, line {error.lineno}, column {error.colno}: {error.msg}") from error
        yield value
        at = _end_of_space(text, at)


def _end_of_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start
