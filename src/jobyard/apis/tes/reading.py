"""A task as a client sends it → a draft of a job (contract 1.7, 1.9, 7.3)."""

import math
import re
from collections.abc import Callable
from functools import partial

from jobyard.apis.tes.documents import read_document
from jobyard.apis.tes.fields import Limits, Notes, Record, names
from jobyard.apis.tes.options import TesOptions
from jobyard.apis.tes.parameters import LIMITS, keep_known, read_parameters
from jobyard.apis.tes.rules import (
    CONTROL,
    MAX_PATH,
    MAX_URL,
    conflicts,
    path_fault,
    place_fault,
    prefix_fault,
    target_fault,
    url_fault,
)
from jobyard.domain.errors import Invalid
from jobyard.domain.files import FileType, Input, Output
from jobyard.domain.resources import Request
from jobyard.domain.work import Command, Work
from jobyard.services.jobs import Draft

API = "tes"

MAX_CONTENT = 1024**2
"""Bytes of one input's `content`; the standard asks for 128 KiB at least."""
MAX_ARGUMENT = 128 * 1024
"""Bytes of one argument or environment value: what Linux lets a program have, with its final NUL."""

_MAX_FILES = 10_000
_MAX_EXECUTORS = 1_000
_MAX_ARGUMENTS = 10_000
_MAX_VOLUMES = 1_000
_MAX_ZONES = 100
_MAX_ZONE = 256
_MAX_NAME = 4096
_MAX_DESCRIPTION = 65_536
_MAX_IMAGE = 1024
_MAX_INT32 = 2**31 - 1
_MAX_GB = 1e9
_TAGS = Limits(entries=100, key=256, value=4096)
_ENVIRONMENT = Limits(entries=10_000, key=4096, value=MAX_ARGUMENT)

_TASK = names(
    "id",
    "state",
    "name",
    "description",
    "inputs",
    "outputs",
    "resources",
    "executors",
    "volumes",
    "tags",
    "logs",
    "creation_time",
)
_EXECUTOR = names("image", "command", "workdir", "stdin", "stdout", "stderr", "env", "ignore_error")
_INPUT = names("name", "description", "url", "path", "type", "content", "streamable")
_OUTPUT = names("name", "description", "url", "path", "path_prefix", "type")
_RESOURCES = names(
    "cpu_cores",
    "preemptible",
    "ram_gb",
    "disk_gb",
    "zones",
    "backend_parameters",
    "backend_parameters_strict",
)

Fault = Callable[[str], str | None]
"""What is wrong with a text, or None."""

_NOT_AN_IMAGE = re.compile(r"[\s\x00-\x1f\x7f]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_draft(body: bytes, options: TesOptions) -> Draft:
    """Raises `Invalid` with all that is wrong, up to 50 problems."""
    document = read_document(body)
    if not isinstance(document, dict):
        raise Invalid("task must be an object")
    notes = Notes(strict=options.reject_unknown_fields)
    task = Record(document, "", _TASK, notes)
    resources = _resources(task, options, notes)
    parameters = read_parameters(resources, notes)
    work = Work(
        commands=_commands(task, notes),
        inputs=_inputs(task, options, notes),
        outputs=_outputs(task, options, notes),
        volumes=_strings(task, "volumes", limit=_MAX_VOLUMES, fault=place_fault),
        missing_outputs_ok=options.missing_outputs_ok
        if parameters.missing_outputs_ok is None
        else parameters.missing_outputs_ok,
        resources=resources,
    )
    draft = Draft(
        api=API,
        work=work,
        name=task.text("name", limit=_MAX_NAME, fault=_name_fault),
        description=task.text("description", limit=_MAX_DESCRIPTION, fault=_prose_fault),
        tags=task.string_map("tags", _TAGS),
        time_limit=parameters.time_limit,
        max_attempts=parameters.max_attempts,
        warnings=notes.warnings,
    )
    _look_at_files(work, notes)
    notes.refuse()
    return draft


def _look_at_files(work: Work, notes: Notes) -> None:
    if len(work.inputs) + len(work.outputs) > _MAX_FILES:
        notes.problem("inputs", f"too many items: inputs and outputs together may be {_MAX_FILES}")
    if not notes.problems:  # else some paths are no paths
        for problem in conflicts(work.inputs, work.outputs, work.volumes):
            notes.problem(problem.loc, problem.msg)


def _commands(task: Record, notes: Notes) -> tuple[Command, ...]:
    items = task.items("executors", limit=_MAX_EXECUTORS)
    if task.get("executors") in (None, []):
        task.problem("executors", "at least one executor is required")
    return tuple(_command(item, f"executors[{index}]", notes) for index, item in enumerate(items))


def _command(item: object, loc: str, notes: Notes) -> Command:
    executor = Record(item, loc, _EXECUTOR, notes)
    return Command(
        image=executor.required("image", limit=_MAX_IMAGE, fault=_image_fault),
        argv=_argv(executor),
        workdir=executor.text("workdir", limit=MAX_PATH, fault=path_fault),
        stdin=executor.text("stdin", limit=MAX_PATH, fault=path_fault),
        stdout=executor.text("stdout", limit=MAX_PATH, fault=path_fault),
        stderr=executor.text("stderr", limit=MAX_PATH, fault=path_fault),
        env=executor.string_map("env", _ENVIRONMENT, _environment_fault),
        ignore_error=executor.flag("ignore_error"),
    )


def _argv(executor: Record) -> tuple[str, ...]:
    if isinstance(executor.get("command"), str):
        executor.problem("command", 'must be a list of strings, such as ["echo", "hello"]')
        return ()
    argv = _strings(executor, "command", limit=_MAX_ARGUMENTS, fault=_argument_fault)
    if executor.get("command") in (None, []):
        executor.problem("command", "required: a list of strings, the program first")
    return argv


def _inputs(task: Record, options: TesOptions, notes: Notes) -> tuple[Input, ...]:
    fault = partial(url_fault, supported=options.supported_schemes)
    items = task.items("inputs", limit=_MAX_FILES)
    return tuple(
        _input(Record(item, f"inputs[{index}]", _INPUT, notes), fault) for index, item in enumerate(items)
    )


def _input(record: Record, fault: Fault) -> Input:
    type = _type(record)
    content = record.text("content", limit=MAX_CONTENT, fault=_content_fault)
    if content is None and not record.get("content") and not record.get("url"):
        record.problem("", "url or content is required")
    if content is not None and type is FileType.DIRECTORY:
        record.problem("content", "content is only for FILE")
    return Input(
        path=record.required("path", limit=MAX_PATH, fault=place_fault),
        url=record.text("url", limit=MAX_URL, fault=None if content else fault),
        content=content,
        type=type,
        name=record.text("name", limit=_MAX_NAME, fault=_name_fault),
        description=record.text("description", limit=_MAX_DESCRIPTION, fault=_prose_fault),
        streamable=record.flag("streamable"),
    )


def _outputs(task: Record, options: TesOptions, notes: Notes) -> tuple[Output, ...]:
    fault = partial(target_fault, supported=options.supported_schemes)
    items = task.items("outputs", limit=_MAX_FILES)
    return tuple(
        _output(Record(item, f"outputs[{index}]", _OUTPUT, notes), fault) for index, item in enumerate(items)
    )


def _output(record: Record, fault: Fault) -> Output:
    output = Output(
        path=record.required("path", limit=MAX_PATH, fault=place_fault),
        url=record.required("url", limit=MAX_URL, fault=fault),
        path_prefix=record.text("path_prefix", limit=MAX_PATH),
        type=_type(record),
        name=record.text("name", limit=_MAX_NAME, fault=_name_fault),
        description=record.text("description", limit=_MAX_DESCRIPTION, fault=_prose_fault),
    )
    wrong = prefix_fault(output)
    if wrong:
        record.problem("path_prefix", wrong)
    return output


def _type(record: Record) -> FileType:
    value = record.get("type")
    if value is None or value == "":
        return FileType.FILE
    if isinstance(value, str) and value.upper() in FileType.__members__:
        return FileType[value.upper()]
    record.problem("type", "must be FILE or DIRECTORY")
    return FileType.FILE


def _resources(task: Record, options: TesOptions, notes: Notes) -> Request | None:
    value = task.get("resources")
    if value is None:
        return None
    record = Record(value, "resources", _RESOURCES, notes)
    request = Request(
        cores=_cores(record, options.max_cpu_cores, notes),
        memory_gb=_amount(record, "ram_gb", largest=_MAX_GB, allowed=options.max_ram_gb),
        disk_gb=_amount(record, "disk_gb", largest=_MAX_GB, allowed=options.max_disk_gb),
        preemptible=record.flag("preemptible"),
        zones=_zones(record),
        parameters=record.string_map("backend_parameters", LIMITS),
        parameters_strict=record.flag("backend_parameters_strict"),
    )
    return keep_known(request, notes)


def _cores(record: Record, allowed: float | None, notes: Notes) -> int | None:
    asked = _amount(record, "cpu_cores", largest=_MAX_INT32, allowed=allowed)
    if asked is None:
        return None
    cores = math.ceil(asked)
    if cores != asked:
        notes.warn(f"cpu_cores {asked:g} was rounded up to {cores}")
    return cores


def _amount(record: Record, key: str, *, largest: float, allowed: float | None) -> float | None:
    asked = record.number(key, largest=largest)
    if asked is not None and allowed is not None and asked > allowed:
        record.problem(key, f"requested {key} {asked:g} exceeds limit {allowed:g}")
    return asked


def _zones(record: Record) -> tuple[str, ...]:
    value = record.get("zones")
    if isinstance(value, str):  # some clients send one
        zone = record.text("zones", limit=_MAX_ZONE)
        return (zone,) if zone else ()
    return _strings(record, "zones", limit=_MAX_ZONES, fault=_zone_fault)


def _strings(record: Record, key: str, *, limit: int, fault: Fault) -> tuple[str, ...]:
    """The items of a list of strings, each looked at by `fault`."""
    items = record.items(key, limit=limit)
    found: list[str] = []
    for index, item in enumerate(items):
        if type(item) is not str:
            record.problem(f"{key}[{index}]", "must be a string")
        elif wrong := fault(item):
            record.problem(f"{key}[{index}]", wrong)
        else:
            found.append(item)
    return tuple(found)


def _size(text: str) -> int:
    """In bytes."""
    return len(text) if text.isascii() else len(text.encode())


def _content_fault(content: str) -> str | None:
    size = _size(content)
    return f"is {size} bytes, and the limit is {MAX_CONTENT}" if size > MAX_CONTENT else None


def _argument_fault(argument: str) -> str | None:
    if "\0" in argument:
        return "must not contain NUL"
    if _size(argument) >= MAX_ARGUMENT:
        return f"is {_size(argument)} bytes, and the limit is {MAX_ARGUMENT - 1}"
    return None


def _environment_fault(key: str, value: str) -> str | None:
    if "=" in key or "\0" in key:
        return "the key must not contain = or NUL"
    return _argument_fault(value)


def _image_fault(image: str) -> str | None:
    if image.isspace():
        return "required"
    return "must not contain whitespace or control characters" if _NOT_AN_IMAGE.search(image) else None


def _name_fault(name: str) -> str | None:
    return "must not contain control characters" if CONTROL.search(name) else None


def _prose_fault(prose: str) -> str | None:
    return "must not contain control characters" if _CONTROL_IN_PROSE.search(prose) else None


def _zone_fault(zone: str) -> str | None:
    return f"is longer than {_MAX_ZONE} characters" if len(zone) > _MAX_ZONE else None
