"""Jobs to test with."""

from datetime import UTC, datetime
from itertools import count

from jobyard.domain.job import Job, JobId
from jobyard.domain.resources import Request
from jobyard.domain.work import Command, Work

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

_numbers = count(1)


def sample_job(
    *,
    id: str | None = None,
    created: datetime = NOON,
    owner: str = "local",
    name: str | None = None,
    tags: dict[str, str] | None = None,
    cores: int | None = None,
    max_attempts: int = 1,
) -> Job:
    """A job of one command, as a service would make it; with an id of its own unless told."""
    return Job(
        id=JobId(id or f"job{next(_numbers):08}"),
        api="tes",
        owner=owner,
        work=Work(
            commands=(Command(image="alpine", argv=("echo", "hello")),),
            resources=None if cores is None else Request(cores=cores),
        ),
        created=created,
        name=name,
        tags=tags,
        max_attempts=max_attempts,
    )
