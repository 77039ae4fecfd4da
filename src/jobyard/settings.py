"""Every setting: typed, documented, frozen. Read once, in the command line; others receive values.

One TOML file; every key is also an environment variable, `JOBYARD_<SECTION>__<KEY>`, which wins.
`docs/reference/settings.md` is generated from this module.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Server(Section):
    """Where the service listens, and where it keeps what is its own."""

    listen: str = "127.0.0.1:8080"
    """Address and port, as HOST:PORT; port 0 picks a free one."""
    data: Path = Path("jobyard-data")
    """Directory for the database and the files of jobs; created when missing."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """API processes; 0 is one a core, at most four."""
    insecure: bool = False
    """Serve other addresses than loopback although nobody has to log in."""
    max_body: Annotated[int, Field(ge=1024)] = 16 * 1024**2
    """Largest request body, in bytes."""


class Log(Section):
    """What the service says about itself, on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Engine(Section):
    """How jobs are queued, watched and tried again."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts at a job that failed by the system's fault, the first included."""
    retry_delay: timedelta = timedelta(seconds=5)
    """Before the second attempt; doubled before each further one."""
    retry_delay_max: timedelta = timedelta(minutes=10)
    max_runtime: timedelta | None = None
    """Longest running time of any job's commands; none is no limit."""
    poll_interval: timedelta = timedelta(seconds=10)
    """The safety net under the wake-ups."""
    log_interval: timedelta = timedelta(seconds=1)
    """How often the live output of running jobs is recorded."""
    lease_ttl: timedelta = timedelta(seconds=15)
    """After this long without a sign of life, another engine takes over."""


class Local(Section):
    """The executor that runs jobs on this host."""

    runtime: Literal["auto", "process"] = "auto"
    """`process` runs commands as ordinary processes, not in containers: only for people you trust.
    `auto` is for container engines, which this release does not drive yet."""
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    """How `process` shows a job its files at their own paths. `auto` is `bubblewrap` where it is installed,
    else `none`, which rewrites paths in commands."""
    cores: Annotated[int, Field(ge=0)] = 0
    """Cores for jobs; 0 is all of this machine."""
    memory_gb: Annotated[float, Field(ge=0)] = 0
    """Memory for jobs; 0 is nine tenths of this machine's."""
    disk_gb: Annotated[float, Field(ge=0)] = 0
    """Disk for jobs; 0 is nine tenths of what is free at the start."""
    default_cores: Annotated[int, Field(ge=1)] = 1
    """Cores for a job that asks for none."""
    default_memory_gb: Annotated[float, Field(gt=0)] = 0.5
    default_disk_gb: Annotated[float, Field(gt=0)] = 0.1
    log_tail: Annotated[int, Field(ge=0, le=1024**2)] = 10_000
    """Bytes kept of the end of each output stream."""
    kill_grace: timedelta = timedelta(seconds=10)
    """Between asking a job's processes to end (TERM) and making them (KILL)."""
    transfers: Annotated[int, Field(ge=1, le=64)] = 4
    """Files staged at once, all jobs together."""


class Files(Section):
    """Which files jobs may read and write by URL."""

    roots: tuple[Path, ...] = ()
    """Directories that `file://` URLs may reach, and nothing outside them."""
    http: bool = True
    """Allow inputs by `http://` and `https://`."""
    http_private: bool = False
    """Allow them from loopback, private and link-local addresses."""


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
    max_disk_gb: Annotated[float, Field(ge=0)] = 0


class ServiceInfo(Section):
    """How the service introduces itself (GA4GH service-info)."""

    id: str = "local.jobyard"
    """In reverse domain name form."""
    name: str = "Jobyard"
    description: str = "Runs tasks on one machine"
    organization_name: str = "Jobyard"
    organization_url: HttpUrl = HttpUrl("https://example.org")
    contact_url: HttpUrl | None = None
    documentation_url: HttpUrl | None = None
    environment: str | None = None


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix="JOBYARD_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    server: Server = Server()
    log: Log = Log()
    engine: Engine = Engine()
    local: Local = Local()
    files: Files = Files()
    tes: Tes = Tes()
    service_info: ServiceInfo = ServiceInfo()
