"""The shapes of GA4GH TES 1.1, word for word. What is UNSET is not sent; nothing is ever null.

The descriptions end up in the OpenAPI document.
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

VERSION = "1.1.0"
"""Of the standard."""

Text = str | UnsetType
StringMap = dict[str, str] | UnsetType
Time = Annotated[
    str | UnsetType, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, in UTC.")
]


class View(StrEnum):
    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


class State(StrEnum):
    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"


class FileType(StrEnum):
    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class Input(Struct, frozen=True, kw_only=True):
    """A file or directory that is brought into the task."""

    name: Text = UNSET
    description: Text = UNSET
    url: Annotated[Text, Meta(description="Where it is; required unless `content` is given.")] = UNSET
    path: Annotated[str, Meta(description="Absolute path inside the container.")]
    type: FileType | UnsetType = UNSET
    content: Annotated[Text, Meta(description="The file itself; `url` is then not read.")] = UNSET
    streamable: bool | UnsetType = UNSET


class Output(Struct, frozen=True, kw_only=True):
    """A file or directory that is stored when the executors have ended."""

    name: Text = UNSET
    description: Text = UNSET
    url: str
    path: Annotated[str, Meta(description="Absolute path inside the container; may hold `*`, `?`, `[...]`.")]
    path_prefix: Annotated[Text, Meta(description="Cut from matched paths; required with wildcards.")] = UNSET
    type: FileType | UnsetType = UNSET


class Resources(Struct, frozen=True, kw_only=True):
    """What the task asks for. Absent means no request."""

    cpu_cores: Annotated[int | UnsetType, Meta(extra_json_schema={"format": "int32"})] = UNSET
    preemptible: bool | UnsetType = UNSET
    ram_gb: Annotated[float | UnsetType, Meta(extra_json_schema={"format": "double"})] = UNSET
    disk_gb: Annotated[float | UnsetType, Meta(extra_json_schema={"format": "double"})] = UNSET
    zones: list[str] | UnsetType = UNSET
    backend_parameters: StringMap = UNSET
    backend_parameters_strict: bool | UnsetType = UNSET


class Executor(Struct, frozen=True, kw_only=True):
    """One program run in one container image."""

    image: str
    command: Annotated[list[str], Meta(description="The program and its arguments; no shell reads them.")]
    workdir: Text = UNSET
    stdin: Text = UNSET
    stdout: Text = UNSET
    stderr: Text = UNSET
    env: StringMap = UNSET
    ignore_error: bool | UnsetType = UNSET


class ExecutorLog(Struct, frozen=True, kw_only=True):
    """How one executor went."""

    start_time: Time = UNSET
    end_time: Time = UNSET
    stdout: Annotated[Text, Meta(description="The end of the stream.")] = UNSET
    stderr: Annotated[Text, Meta(description="The end of the stream.")] = UNSET
    exit_code: Annotated[int, Meta(extra_json_schema={"format": "int32"})]


class OutputFileLog(Struct, frozen=True, kw_only=True):
    """One file that was stored."""

    url: str
    path: str
    size_bytes: Annotated[str, Meta(extra_json_schema={"format": "int64"})]


class TaskLog(Struct, frozen=True, kw_only=True):
    """One attempt at the task."""

    logs: list[ExecutorLog]
    metadata: StringMap = UNSET
    start_time: Time = UNSET
    end_time: Time = UNSET
    outputs: list[OutputFileLog]
    system_logs: list[str] | UnsetType = UNSET


class Task(Struct, frozen=True, kw_only=True):
    """A task, as asked for and as it went."""

    id: Annotated[Text, Meta(extra_json_schema={"readOnly": True})] = UNSET
    state: State | UnsetType = UNSET
    name: Text = UNSET
    description: Text = UNSET
    inputs: list[Input] | UnsetType = UNSET
    outputs: list[Output] | UnsetType = UNSET
    resources: Resources | UnsetType = UNSET
    executors: Annotated[list[Executor], Meta(min_length=1, description="Run in order, at least one.")]
    volumes: list[str] | UnsetType = UNSET
    tags: StringMap = UNSET
    logs: Annotated[list[TaskLog] | UnsetType, Meta(extra_json_schema={"readOnly": True})] = UNSET
    creation_time: Annotated[Time, Meta(extra_json_schema={"readOnly": True})] = UNSET


class CreateTaskResponse(Struct, frozen=True, kw_only=True):
    id: str


class CancelTaskResponse(Struct, frozen=True):
    pass


class ListTasksResponse(Struct, frozen=True, kw_only=True):
    tasks: Annotated[list[Task], Meta(description="Newest first.")]
    next_page_token: Annotated[Text, Meta(description="Absent on the last page.")] = UNSET


class ServiceType(Struct, frozen=True, kw_only=True):
    group: str
    artifact: Literal["tes"]
    version: Annotated[str, Meta(description="Of the API, not of the service.")]


class Organization(Struct, frozen=True, kw_only=True):
    name: str
    url: str


class ServiceInfo(Struct, frozen=True, kw_only=True):
    """GA4GH service-info 1.0.0, with what TES adds."""

    id: str
    name: str
    type: ServiceType
    description: Text = UNSET
    organization: Organization
    contact_url: Text = field(default=UNSET, name="contactUrl")
    documentation_url: Text = field(default=UNSET, name="documentationUrl")
    created_at: Time = field(default=UNSET, name="createdAt")
    updated_at: Time = field(default=UNSET, name="updatedAt")
    environment: Text = UNSET
    version: str
    storage: list[str] | UnsetType = UNSET
    backend_parameters: list[str] | UnsetType = field(default=UNSET, name="tesResources_backend_parameters")
