"""The API in-process over a real database. No engine runs: tests move jobs as an engine would."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from jobyard.apis.http.app import build_app
from jobyard.apis.http.docs import docs_routes
from jobyard.apis.http.operations import operation_routes
from jobyard.apis.tes.openapi import openapi_document
from jobyard.apis.tes.options import ServiceInfoValues, TesOptions
from jobyard.apis.tes.routes import tes_routes
from jobyard.domain.job import Job, JobId
from jobyard.services.jobs import Jobs
from jobyard.stores.base import Visibility
from jobyard.stores.sql import schema
from jobyard.stores.sql.store import SqlStore

INFO = ServiceInfoValues(
    id="org.example.jobyard",
    name="Jobyard",
    version="0.1.0",
    organization_name="Example <lab>",
    organization_url="https://example.org",
    storage=("file:///data/", "https://"),
)

Client = AsyncTestClient[Litestar]
Serve = Callable[[TesOptions], Awaitable[Client]]
Change = Callable[[JobId, Callable[[Job], Job]], Awaitable[Job]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    path = tmp_path / "jobs.db"
    schema.upgrade(path)
    store = SqlStore(path)
    yield store
    await store.close()


@pytest.fixture
async def serve(store: SqlStore) -> AsyncIterator[Serve]:
    """Serves the store under the given options and answers a client."""
    async with AsyncExitStack() as stack:

        async def start(options: TesOptions) -> Client:
            jobs = Jobs(store, clock=lambda: datetime.now(UTC), max_runtime=None, max_attempts=3)

            async def metrics() -> tuple[bytes, str]:
                return b"jobs 1\n", "text/plain; version=0.0.4"

            app = build_app(
                routes=[
                    *tes_routes(jobs=jobs, options=options, info=INFO),
                    *operation_routes(ready=store.ping, metrics=metrics),
                    *docs_routes(
                        openapi=openapi_document(INFO), title="Jobyard <&>", places={"/docs": "the API"}
                    ),
                ],
                max_body=options.max_body,
            )
            return await stack.enter_async_context(AsyncTestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
async def client(serve: Serve) -> Client:
    return await serve(TesOptions())


@pytest.fixture
def change(store: SqlStore) -> Change:
    """Replaces a stored job, step by step along the state table, under a lease as the engine holds it."""

    async def save(id: JobId, how: Callable[[Job], Job]) -> Job:
        now = datetime.now(UTC)
        lease = await store.acquire("engine", "test", timedelta(minutes=5), at=now)
        assert lease
        was = await store.get(id, Visibility())
        return await store.save(was, how(was), at=now, lease=lease)

    return save
