"""Fills a fresh database with finished tasks, through the store itself, as a server would have.

The mix is made to be hard. Some conditions are met often, some rarely, some only by the oldest tasks, and two
that are each met often are never met together.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from jobyard.bootstrap import database_path, upgrade_database
from jobyard.domain.files import Input, Output, StoredOutput
from jobyard.domain.job import Attempt, CommandLog, Job
from jobyard.domain.resources import Request
from jobyard.domain.state import State
from jobyard.domain.work import Command, Work
from jobyard.services.jobs import new_id
from jobyard.settings import Server, Settings
from jobyard.stores.sql.store import SqlStore

_RANDOM = Random(0)  # ids differ by their time, too
_TOGETHER = 4096
_SAMPLED = 1000
_TOOLS = ("align", "assemble", "annotate", "cutout")

QUERIES = {
    "no filter": "",
    "state, 94 % have it": "&state=COMPLETE",
    "state, 1 % have it": "&state=SYSTEM_ERROR",
    "name, 24 %": "&name_prefix=align-",
    "name, the oldest 5 %": "&name_prefix=pilot-",
    "tag, 4 %": "&tag_key=project&tag_value=p7",
    "tag, one task": "&tag_key=sample&tag_value=s77",
    "tag, any value": "&tag_key=project",
    "state 1 % + name, the oldest 5 %": "&state=SYSTEM_ERROR&name_prefix=pilot-",
    "state 1 % + tag 4 %": "&state=SYSTEM_ERROR&tag_key=project&tag_value=p7",
    "name + tag, 24 % each, never both": "&name_prefix=align-&tag_key=project&tag_value=sky",
    "state 94 % + name 24 % + tag 4 %": "&state=COMPLETE&name_prefix=align-&tag_key=project&tag_value=p7",
    "state 94 % + name + tag, never both": (
        "&state=COMPLETE&name_prefix=align-&tag_key=project&tag_value=sky"
    ),
}
"""Filters that the mix below is made for; of every kind and in combination."""


def fill(data: Path, tasks: int) -> list[str]:
    """Make the database in `data` and keep so many tasks in it; ids of some, spread over all."""
    settings = Settings(server=Server(data=data))
    upgrade_database(settings)
    return asyncio.run(_fill(database_path(settings), tasks))


async def _fill(path: Path, tasks: int) -> list[str]:
    store = SqlStore(path)
    sampled: list[str] = []
    every = max(1, tasks // _SAMPLED)
    try:
        for first in range(0, tasks, _TOGETHER):
            batch = [_job(index, tasks) for index in range(first, min(first + _TOGETHER, tasks))]
            stored = await asyncio.gather(*(store.create(job) for job in batch))
            sampled += [job.id for job in stored if job.number % every == 0]
    finally:
        await store.close()
    return sampled


def _job(index: int, tasks: int) -> Job:
    tool = _TOOLS[index // 7 % len(_TOOLS)]
    project = "sky" if tool == "cutout" else f"p{index // 11 % 20}"
    now = datetime.now(UTC)
    state = _state(index)
    return Job(
        id=new_id(_RANDOM),
        api="tes",
        owner="local",
        work=_work(tool, index),
        created=now,
        state=state,
        name=f"{'pilot' if index < tasks // 20 else tool}-{index:07d}",
        description="A task of the benchmark",
        tags={"project": project, "sample": f"s{index}"},
        max_attempts=3,
        attempts=(_attempt(index, state, now),),
    )


def _state(index: int) -> State:
    match index % 100:
        case 99:
            return State.ERRORED
        case 98:
            return State.CANCELED
        case 94 | 95 | 96 | 97:
            return State.FAILED
        case _:
            return State.COMPLETED


def _work(tool: str, index: int) -> Work:
    return Work(
        commands=(
            Command(
                image=f"registry.example.org/lab/{tool}:1.4",
                argv=(tool, "--threads", "2", "--in", "/inputs/reads.fastq.gz", "--out", "/results/out.json"),
                env={"LC_ALL": "C"},
            ),
        ),
        inputs=(Input(path="/inputs/reads.fastq.gz", url=f"file:///data/reads/{index}.fastq.gz"),),
        outputs=(Output(path="/results/out.json", url=f"file:///data/results/{index}/out.json"),),
        volumes=("/results",),
        resources=Request(cores=2, memory_gb=4.0, disk_gb=10.0),
    )


def _attempt(index: int, state: State, now: datetime) -> Attempt:
    code = 1 if state is State.FAILED else 0
    ended = now + timedelta(minutes=3)
    return Attempt(
        number=1,
        started=now,
        ended=ended,
        commands=(
            CommandLog(
                started=now,
                ended=ended,
                exit_code=code,
                stdout="".join(f"chunk {chunk}: 250000 reads, 99.{chunk} % placed\n" for chunk in range(8)),
                stderr="",
            ),
        ),
        outputs=(
            StoredOutput(
                url=f"file:///data/results/{index}/out.json",
                path="/results/out.json",
                size=81_234,
                sha256="0" * 64,
            ),
        ),
        backend="local",
    )
