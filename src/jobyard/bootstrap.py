"""The composition root: settings → stores, executors, services, applications. Opens them and closes them."""

import asyncio
import ctypes
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvloop
from litestar import Litestar
from litestar.types import ControllerRouterHandler

from jobyard.apis.http.app import build_app
from jobyard.apis.http.docs import docs_routes
from jobyard.apis.http.listener import listen
from jobyard.apis.http.metrics import measured, render_metrics, share_metrics
from jobyard.apis.http.operations import operation_routes
from jobyard.apis.tes.openapi import openapi_document
from jobyard.apis.tes.options import ServiceInfoValues, TesOptions
from jobyard.apis.tes.routes import tes_routes
from jobyard.blobs import hosts, keys
from jobyard.blobs.base import WEB_PREFIXES, Sink, Source
from jobyard.blobs.disk import Disk
from jobyard.blobs.hosts import ANONYMOUS, Server, default_port
from jobyard.blobs.keys import Endpoint
from jobyard.domain.errors import Invalid
from jobyard.engine.reconcile import Policy
from jobyard.engine.supervisor import Engine, Options
from jobyard.executors.base import Executor
from jobyard.executors.local.containers import ContainerOptions
from jobyard.executors.local.plugin import LocalOptions, engine_found
from jobyard.executors.local.plugin import open_executor as open_local
from jobyard.services.jobs import Jobs
from jobyard.settings import SecretRef, Settings, is_loopback, split_address
from jobyard.staging.staging import Staging
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore
from jobyard.telemetry import configure_logging

log = structlog.stdlib.get_logger(__name__)

_PR_SET_PDEATHSIG = 1
_PLACES = {
    "/docs": "API explorer",
    "/openapi.json": "the API for programs, in OpenAPI 3",
    "/ga4gh/tes/v1/service-info": "what this service is",
    "/ga4gh/tes/v1/tasks": "the tasks, newest first",
    "/healthz": "whether it lives",
    "/readyz": "whether it can work",
    "/metrics": "numbers for Prometheus",
}


def database_path(settings: Settings) -> Path:
    return settings.server.data / "jobyard.db"


def upgrade_database(settings: Settings) -> None:
    """Create the database, or bring it to this release's schema."""
    schema.upgrade(database_path(settings))


def current_revision(settings: Settings) -> str | None:
    return schema.current(database_path(settings))


def check_database(settings: Settings) -> None:
    """Raises `Conflict`, naming the command that helps."""
    schema.check(database_path(settings))


def prepare(settings: Settings) -> None:
    """What must be right before a process starts. A fresh directory gets its database."""
    _check_secrets(settings)
    configure_logging(settings.log.format, settings.log.level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings.server.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if current_revision(settings) is None:
        upgrade_database(settings)
    check_database(settings)
    share_metrics(settings.server.data / "metrics")


def die_with(parent: int) -> None:
    """End this process when its parent ends, however that comes about; now, if it has."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # the kernel was asked too late
        os.kill(os.getpid(), signal.SIGTERM)


def run_api(settings: Settings, given: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests on a listening socket until TERM."""
    _run(lambda stop: _api(settings, given, stop, ready))


def run_engine(settings: Settings, ready: Callable[[], None]) -> None:
    """Run jobs until TERM. Those that run then go on."""
    with _only_one(settings.server.data / "engine.lock"):
        _run(lambda stop: _engine(settings, stop, ready))


async def _api(
    settings: Settings, given: socket.socket, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    store = SqlStore(database_path(settings))
    try:
        app = build_application(settings, store)
        await listen(measured(app), given, stop, ready)
    finally:
        await store.close()


def build_application(settings: Settings, store: SqlStore) -> Litestar:
    jobs = Jobs(
        store,
        clock=_now,
        max_runtime=settings.engine.max_runtime,
        max_attempts=settings.engine.max_attempts,
    )
    info = _service_info(settings)
    routes: list[ControllerRouterHandler] = [
        *tes_routes(jobs=jobs, options=_tes_options(settings), info=info),
        *docs_routes(openapi=openapi_document(info), title=info.name, places=_PLACES),
        *operation_routes(ready=store.ping, metrics=lambda: render_metrics(store.count)),
    ]
    local = is_loopback(split_address(settings.server.listen)[0])
    names = settings.server.allowed_hosts if local else None
    return build_app(routes=routes, max_body=settings.server.max_body, names=names)


async def _engine(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    store = SqlStore(database_path(settings))
    from jobyard.blobs.web import Web  # brings httpx, which no other process needs

    web = Web(private=settings.files.http_private)
    sources, sinks = _blobs(settings)
    if settings.files.http:
        sources |= {"http": web, "https": web}
    executor = _executor(settings, Staging(sources=sources, sinks=sinks, transfers=settings.local.transfers))
    if settings.local.runtime == "auto" and not container_engine(settings)[0]:
        log.warning('jobs will not run until [local] runtime is set: see "jobyard doctor"')
    engine = Engine(store, executor, _engine_options(settings), clock=_now)
    try:
        await engine.run(stop, ready)
    finally:
        await executor.close()
        await web.close()
        await store.close()


def _executor(settings: Settings, staging: Staging) -> Executor:
    """The executor of this host."""
    local = settings.local
    options = LocalOptions(
        runtime=local.runtime,
        sandbox=local.sandbox,
        cores=local.cores,
        memory_gb=local.memory_gb,
        disk_gb=local.disk_gb,
        default_cores=local.default_cores,
        default_memory_gb=local.default_memory_gb,
        default_disk_gb=local.default_disk_gb,
        log_tail=local.log_tail,
        kill_grace=local.kill_grace,
        containers=ContainerOptions(**settings.containers.model_dump()),
    )
    return open_local(options, data=settings.server.data, stager=staging)


def _blobs(settings: Settings) -> tuple[dict[str, Source], dict[str, Sink]]:
    """What can be read and written, by scheme. What is not configured costs no import."""
    disk = Disk(settings.files.roots)
    sources: dict[str, Source] = {"file": disk}
    sinks: dict[str, Sink] = {"file": disk}
    if settings.s3.endpoints:
        endpoints = _endpoints(settings)
        from jobyard.blobs.objects import ObjectStorage

        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]  # the library would take settings from there
        sources["s3"] = sinks["s3"] = ObjectStorage(endpoints)
    if settings.ftp.servers:
        from jobyard.blobs.ftp import Ftp

        ftp = Ftp(_servers(settings), ca_file=settings.ftp.ca_file)
        sources |= {"ftp": ftp, "ftps": ftp}
        sinks |= {"ftp": ftp, "ftps": ftp}
    return sources, sinks


def _check_secrets(settings: Settings) -> None:
    """Raises `Invalid` if one is not where it should be: better now than in a process that dies of it."""
    _endpoints(settings)
    _servers(settings)


def _endpoints(settings: Settings) -> Sequence[Endpoint]:
    """Raises `Invalid` if a secret is not where it should be."""
    return [
        Endpoint(
            name=it.name,
            url=str(it.url) if it.url else None,
            region=it.region,
            buckets=it.buckets,
            bucket_in_host=it.style == "virtual",
            authorities=_authorities(it.ca_file),
            access_key=_secret(it.access_key),
            secret_key=_secret(it.secret_key),
            session_token=_secret(it.session_token),
        )
        for it in settings.s3.endpoints
    ]


def _authorities(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file else None
    except OSError as error:
        raise Invalid(f"the certificate authorities in {file} cannot be read: {error.strerror}") from error


def _servers(settings: Settings) -> Sequence[Server]:
    """Raises `Invalid` if a secret is not where it should be."""
    return [
        Server(
            host=it.host,
            port=it.port or default_port(it.tls),
            tls=it.tls,
            user=it.user,
            password=_secret(it.password) or ANONYMOUS,
        )
        for it in settings.ftp.servers
    ]


def _secret(ref: SecretRef | None) -> str | None:
    return ref.read(os.environ) if ref else None


def container_engine(settings: Settings) -> tuple[str, str]:
    """The program of the engine that jobs would run by, empty for none, and what keeps others from it."""
    if settings.local.runtime == "process":
        return "", "not asked for"
    try:
        return engine_found(settings.local.runtime)[0], ""
    except Invalid as error:
        return "", str(error)


def _storage(settings: Settings) -> tuple[str, ...]:
    """What the URLs that jobs may use begin with, for people to read."""
    web = WEB_PREFIXES if settings.files.http else ()
    objects = keys.prefixes(it.buckets for it in settings.s3.endpoints)
    return (*Disk(settings.files.roots).prefixes, *objects, *hosts.prefixes(_servers(settings)), *web)


def _now() -> datetime:
    return datetime.now(UTC)


def _engine_options(settings: Settings) -> Options:
    engine = settings.engine
    return Options(
        holder=f"{socket.gethostname()}:{settings.server.data.resolve()}",
        lease_ttl=engine.lease_ttl,
        poll_interval=engine.poll_interval,
        log_interval=engine.log_interval,
        policy=Policy(retry_delay=engine.retry_delay, retry_delay_max=engine.retry_delay_max),
    )


def _tes_options(settings: Settings) -> TesOptions:
    tes = settings.tes
    return TesOptions(
        max_body=settings.server.max_body,
        expose_tes11_states=tes.expose_tes11_states,
        prepopulate_executor_logs=tes.prepopulate_executor_logs,
        reject_unknown_fields=tes.reject_unknown_fields,
        supported_schemes=_schemes(settings) if tes.reject_unsupported_urls else None,
        missing_outputs_ok=tes.missing_outputs == "warn",
        max_cpu_cores=tes.max_cpu_cores or None,
        max_ram_gb=tes.max_ram_gb or None,
        max_disk_gb=tes.max_disk_gb or None,
    )


def _service_info(settings: Settings) -> ServiceInfoValues:
    info = settings.service_info
    return ServiceInfoValues(
        id=info.id,
        name=info.name,
        version=version("jobyard"),
        organization_name=info.organization_name,
        organization_url=str(info.organization_url),
        description=info.description,
        contact_url=str(info.contact_url) if info.contact_url else None,
        documentation_url=str(info.documentation_url) if info.documentation_url else None,
        environment=info.environment,
        storage=_storage(settings),
    )


def _schemes(settings: Settings) -> frozenset[str]:
    return frozenset({"file"} | {prefix.partition(":")[0] for prefix in _storage(settings)})


def _run(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until TERM, which sets the event."""

    async def until_term() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await main(stop)

    uvloop.run(until_term())


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Wait until no other process of this host holds the file. The kernel lets go when its holder dies."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another engine uses this data directory, waiting for it to end")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
