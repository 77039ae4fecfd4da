"""The server is killed at any moment: what it had begun is finished by the next one, once."""

import asyncio
import itertools
import signal
import sys
from pathlib import Path

import pytest

from jobyard.blobs.disk import Disk
from jobyard.domain.files import Input, Output
from jobyard.domain.job import JobId
from jobyard.domain.resources import Amount
from jobyard.domain.work import Command, Work
from jobyard.executors.base import Executor, Outcome, Phase, Spec
from jobyard.executors.local.plugin import LocalOptions, open_executor
from jobyard.staging.staging import Staging

DEADLINE_S = 30


def opened(place: Path) -> Executor:
    disk = Disk([place / "files"])
    staging = Staging(sources={"file": disk}, sinks={"file": disk}, transfers=2)
    options = LocalOptions(runtime="process", sandbox="none")
    return open_executor(options, data=place / "data", stager=staging)


def jobs(place: Path) -> list[Spec]:
    say = "echo once >> /out/said"
    return [
        Spec(
            job=JobId(f"job{number}"),
            attempt=1,
            amount=Amount(cores=1),
            work=Work(
                commands=(shell(f"{say}; cat /in >> /out/said"), shell(say)),
                inputs=(Input(path="/in", url=str(place / "files" / "in")),),
                outputs=(Output(path="/out/said", url=str(place / "files" / f"said{number}")),),
            ),
        )
        for number in range(4)
    ]


def shell(text: str) -> Command:
    return Command(image="any", argv=("/bin/sh", "-c", text))


async def serve(place: Path) -> None:
    executor = opened(place)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    for spec in jobs(place):
        await executor.start(spec)
    while True:
        await executor.changed()


def contents(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("after_ms", [0, 2, 4, 6, 8, 10, 13, 16, 20, 30, 50])
async def test_a_killed_server_loses_and_repeats_nothing(tmp_path: Path, after_ms: int) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "in").write_text("text\n")
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout
    await server.stdout.readline()
    await asyncio.sleep(after_ms / 1000)
    server.send_signal(signal.SIGKILL)
    await server.wait()

    executor = opened(tmp_path)
    handles = [await executor.start(spec) for spec in jobs(tmp_path)]
    async with asyncio.timeout(DEADLINE_S):
        for _ in itertools.count():
            seen = await executor.observe(handles)
            if all(it.phase is Phase.ENDED for it in seen.values()):
                break
            await executor.changed()
    assert [it.outcome for it in seen.values()] == [Outcome.SUCCEEDED] * 4
    assert contents(tmp_path / "files") == {
        "in": "text\n",
        **{f"said{number}": "once\ntext\nonce\n" for number in range(4)},
    }
    for handle in handles:
        await executor.clean(handle)
    await executor.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
