"""Every setting: typed, documented, frozen. Read once, in the command line; others receive values.

`jobyard.cli.configuration` gathers the values from the file, the environment and the options.
`docs/reference/settings.md` and `jobyard config example` are generated from this module: the text under
each field is its documentation.
"""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from jobyard.domain.errors import Invalid


def _seconds(value: object) -> object:
    """A number in a text, as environment variables have it, becomes a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _said_as_duration(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError as error:
        short = any(detail["type"].startswith("greater_than") for detail in error.errors())
        raise ValueError("is too short" if short else _DURATION) from None


_DURATION = "should be a number of seconds (90) or an ISO 8601 duration (PT1M30S)"

Delay = Annotated[
    timedelta, Field(ge=timedelta(0)), BeforeValidator(_seconds), WrapValidator(_said_as_duration)
]
"""Plain seconds or ISO 8601; may be nothing."""

Duration = Annotated[
    timedelta, Field(gt=timedelta(0)), BeforeValidator(_seconds), WrapValidator(_said_as_duration)
]
"""Plain seconds or ISO 8601; longer than nothing."""


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("begins with a home directory that is not there") from error


Directory = Annotated[Path, AfterValidator(_at_home)]
"""A path in which `~` at the start is a home directory."""


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("should be absolute, as URLs are")
    return path


def split_address(listen: str) -> tuple[str, int]:
    """The host and port of `HOST:PORT`; an IPv6 host stands in brackets. Raises `ValueError`."""
    host, colon, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise ValueError("should be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080; the port is 0 to 65535")
    if ":" in bare and bare == host:
        raise ValueError("an IPv6 host is written in brackets, such as [::1]:8080")
    return bare, int(port)


def _checked_address(listen: str) -> str:
    split_address(listen)
    return listen


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it. A name other than `localhost` may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


class SecretRef(Section):
    """Where a secret is kept: it does not stand in the configuration itself."""

    file: Directory | None = None
    """A file that holds it and nothing else; a line end after it does not count."""
    env: str | None = None
    """An environment variable of the service."""

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: object) -> object:
        if isinstance(value, SecretRef) or (isinstance(value, dict) and len(value) == 1):
            return value
        raise ValueError(
            "is a secret, which does not stand in the configuration; write where it is instead: "
            '{ file = "/path/to/it" } or { env = "NAME_OF_A_VARIABLE" }'
        )

    def read(self, environ: Mapping[str, str]) -> str:
        """The secret. Raises `Invalid` where there is none."""
        try:
            value = self.file.read_text("utf-8") if self.file else environ.get(self.env or "", "")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise Invalid(f"the secret in the file {self.file} cannot be read: {reason}") from error
        secret = value.rstrip("\r\n")
        if not secret:
            place = f"the file {self.file}" if self.file else f"the environment variable {self.env}"
            raise Invalid(f"{place} holds no secret")
        return secret


class Server(Section):
    """Where the service listens, and where it keeps what is its own."""

    listen: Annotated[str, AfterValidator(_checked_address)] = "127.0.0.1:8080"
    """Address and port, as HOST:PORT; port 0 picks a free one. Addresses that other machines can reach need
    `insecure`."""
    data: Directory = Path("jobyard-data")
    """Directory for the database and the files of jobs; created when missing. Relative to where the service
    is started."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """API processes; 0 is one a core, at most four."""
    insecure: bool = False
    """Serve other addresses than loopback although nobody has to log in."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, beside `localhost`, by which a service on a loopback address may be asked: those of a proxy in
    front of it. A page in a browser could use any other name to reach it (DNS rebinding)."""
    max_body: Annotated[int, Field(ge=1024)] = 16 * 1024**2
    """Largest request body, in bytes."""

    @model_validator(mode="after")
    def _strangers_must_log_in(self) -> Self:
        host, _ = split_address(self.listen)
        if not self.insecure and not is_loopback(host):
            raise ValueError(
                f"server.listen = {self.listen} lets other machines in, and nobody has to log in. Listen on "
                "127.0.0.1, or set server.insecure = true if only people you trust can reach this address"
            )
        return self


class Log(Section):
    """What the service says about itself, on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are still written."""


class Engine(Section):
    """How jobs are queued, watched and tried again."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts at a job that failed by the system's fault, the first included."""
    retry_delay: Delay = timedelta(seconds=5)
    """Before the second attempt; doubled before each further one."""
    retry_delay_max: Delay = timedelta(minutes=10)
    """The longest that `retry_delay` grows to."""
    max_runtime: Duration | None = None
    """Longest running time of any job's commands; none is no limit."""
    poll_interval: Duration = timedelta(seconds=10)
    """The safety net under the wake-ups."""
    log_interval: Duration = timedelta(seconds=1)
    """How often the live output of running jobs is recorded."""
    lease_ttl: Duration = timedelta(seconds=15)
    """After this long without a sign of life, another engine takes over."""

    @model_validator(mode="after")
    def _delays_grow(self) -> Self:
        if self.retry_delay > self.retry_delay_max:
            raise ValueError("engine.retry_delay should not be longer than engine.retry_delay_max")
        return self


class Local(Section):
    """The executor that runs jobs on this host."""

    runtime: Literal["auto", "podman", "docker", "process"] = "auto"
    """What runs commands. `auto` is podman or else docker, if it answers; if none does, no job runs.
    `process` runs them as ordinary processes, not in containers: only for people you trust."""
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    """How `process` shows a job its files at their own paths. `auto` is `bubblewrap` where it is installed,
    else `none`, which rewrites paths in commands."""
    cores: Annotated[int, Field(ge=0)] = 0
    """Cores for jobs; 0 is all of this machine."""
    memory_gb: Annotated[float, Field(ge=0)] = 0
    """Memory for jobs, in GB (10^9 bytes); 0 is nine tenths of this machine's."""
    disk_gb: Annotated[float, Field(ge=0)] = 0
    """Disk for jobs, in GB (10^9 bytes); 0 is nine tenths of what is free at the start."""
    default_cores: Annotated[int, Field(ge=1)] = 1
    """Cores for a job that asks for none."""
    default_memory_gb: Annotated[float, Field(gt=0)] = 0.5
    """Memory for a job that asks for none, in GB (10^9 bytes)."""
    default_disk_gb: Annotated[float, Field(gt=0)] = 0.1
    """Disk for a job that asks for none, in GB (10^9 bytes)."""
    log_tail: Annotated[int, Field(ge=0, le=1024**2)] = 10_000
    """Bytes kept of the end of each output stream."""
    kill_grace: Delay = timedelta(seconds=10)
    """Between asking a job's processes to end (TERM) and making them (KILL)."""
    transfers: Annotated[int, Field(ge=1, le=64)] = 4
    """Files staged at once, all jobs together."""


class Containers(Section):
    """How containers are made, where `local.runtime` is a container engine."""

    pull: Literal["missing", "always", "never"] = "missing"
    """When images are fetched from their registry, before the commands start."""
    network: Literal["none", "default", "host"] = "none"
    """What commands reach: nothing, what the engine's own network does, or all that this machine does."""
    user: str = ""
    """UID or UID:GID of commands; empty is the owner of the job's files, whatever user the image names."""
    read_only: bool = True
    """The image's files cannot be changed; the job's own paths and `/tmp` can."""
    capabilities: tuple[str, ...] = ()
    """Linux capabilities that commands keep, such as `CHOWN`; all others are dropped."""
    limits: bool = True
    """Hold commands to the cores and the memory that the job asked for, or its default."""
    max_processes: Annotated[int, Field(ge=0)] = 4096
    """Processes and threads of one command; 0 is no limit."""


class Files(Section):
    """Which files jobs may read and write by URL."""

    roots: tuple[Annotated[Directory, AfterValidator(_absolute)], ...] = ()
    """Directories that `file://` URLs may reach, and nothing outside them; absolute paths."""
    http: bool = True
    """Allow inputs by `http://` and `https://`."""
    http_private: bool = False
    """Allow them from loopback, private and link-local addresses."""


class S3Endpoint(Section):
    """A service that speaks S3. Without keys, its buckets are read as anybody can."""

    name: Annotated[str, Field(min_length=1)]
    """For messages."""
    url: HttpUrl | None = None
    """Where it is; not set is Amazon's, of the region."""
    region: str = "us-east-1"
    """The region that requests are signed for."""
    buckets: tuple[str, ...] = ()
    """The buckets that jobs may use; empty is all that no other endpoint names."""
    style: Literal["path", "virtual"] = "path"
    """Where the bucket stands in an address: `path` is `host/bucket`, `virtual` is `bucket.host`."""
    allow_http: bool = False
    """Allow a `url` with `http://`, where everybody on the way can read along."""
    ca_file: Directory | None = None
    """Certificate authorities in PEM that are trusted beside the system's."""
    access_key: SecretRef | None = None
    """The access key's identifier."""
    secret_key: SecretRef | None = None
    """The access key's secret."""
    session_token: SecretRef | None = None
    """Belongs to an access key that is valid for a while only."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.url and self.url.scheme == "http" and not self.allow_http:
            raise ValueError(
                f"the endpoint {self.name} has a url without TLS; write https, or allow_http = true"
            )
        if self.url and (self.url.username or self.url.password):
            raise ValueError(f"the url of the endpoint {self.name} holds credentials; see access_key")
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError(f"the endpoint {self.name} has one of access_key and secret_key; it needs both")
        return self


class S3(Section):
    """Inputs and outputs by `s3://` URLs."""

    endpoints: tuple[S3Endpoint, ...] = ()
    """The services that hold the buckets."""

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        claims = [bucket for endpoint in self.endpoints for bucket in endpoint.buckets or ("",)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"s3.endpoints has two of the name {twice}")
        if any(claims.count(bucket) > 1 for bucket in claims):
            raise ValueError("s3.endpoints has one bucket in two endpoints, or two endpoints without buckets")
        return self


class FtpServer(Section):
    """A server of files."""

    host: Annotated[str, Field(min_length=1)]
    """Its name, as it stands in URLs."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Not set is 21, and 990 where `tls` is `implicit`."""
    tls: Literal["none", "explicit", "implicit"] = "none"
    """`explicit` is TLS after AUTH TLS, `implicit` from the first byte. `ftps://` URLs need one of them."""
    user: str = "anonymous"
    """Who logs in, unless the URL says."""
    password: SecretRef | None = None
    """Not set is that of `anonymous`."""


class Ftp(Section):
    """Inputs and outputs by `ftp://` and `ftps://` URLs."""

    servers: tuple[FtpServer, ...] = ()
    """The servers that jobs may use."""
    ca_file: Directory | None = None
    """Certificate authorities in PEM for TLS; not set is the system's."""


class Tes(Section):
    """The GA4GH TES API."""

    expose_tes11_states: bool = False
    """Show CANCELING and PREEMPTED, which clients of TES 1.0 do not know."""
    prepopulate_executor_logs: bool = False
    """Show a placeholder log for each executor that is sure to run, as the compliance suite asks."""
    reject_unknown_fields: bool = False
    """Refuse fields that the standard does not have; otherwise they are noted in the system log."""
    reject_unsupported_urls: bool = False
    """Refuse URLs of storage that is not configured; otherwise such a task ends in SYSTEM_ERROR."""
    missing_outputs: Literal["error", "warn"] = "error"
    """What a missing output does to a task that succeeded."""
    max_cpu_cores: Annotated[int, Field(ge=0)] = 0
    """Refuse tasks that ask for more; 0 is no limit."""
    max_ram_gb: Annotated[float, Field(ge=0)] = 0
    """Refuse tasks that ask for more, in GB (10^9 bytes); 0 is no limit."""
    max_disk_gb: Annotated[float, Field(ge=0)] = 0
    """Refuse tasks that ask for more, in GB (10^9 bytes); 0 is no limit."""


class ServiceInfo(Section):
    """How the service introduces itself (GA4GH service-info)."""

    id: str = "local.jobyard"
    """In reverse domain name form."""
    name: str = "Jobyard"
    """For people."""
    description: str = "Runs tasks on one machine"
    """What the service is for."""
    organization_name: str = "Jobyard"
    """Who runs the service."""
    organization_url: HttpUrl = HttpUrl("https://example.org")
    """Their web site."""
    contact_url: HttpUrl | None = None
    """Where people get help: a web page."""
    documentation_url: HttpUrl | None = None
    """Where the service is explained."""
    environment: str | None = None
    """Such as `production` or `test`."""


class Settings(Section):
    """The whole configuration."""

    server: Server = Server()
    log: Log = Log()
    engine: Engine = Engine()
    local: Local = Local()
    containers: Containers = Containers()
    files: Files = Files()
    s3: S3 = S3()
    ftp: Ftp = Ftp()
    tes: Tes = Tes()
    service_info: ServiceInfo = ServiceInfo()
