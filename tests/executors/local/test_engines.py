"""Commands in real containers: what only containers can promise, or get wrong."""

import asyncio
import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from jobyard.blobs.disk import Disk
from jobyard.domain.job import JobId
from jobyard.domain.resources import Amount
from jobyard.domain.work import Command, Work
from jobyard.executors.base import Executor, Handle, Observation, Outcome, Phase, Spec
from jobyard.executors.local.containers import ContainerOptions
from jobyard.executors.local.plugin import LocalOptions, open_executor
from jobyard.staging.staging import Staging

pytestmark = pytest.mark.slow

DEADLINE_S = 30


@dataclass
class Host:
    data: Path
    environment: Mapping[str, str]
    opened: list[Executor] = field(default_factory=list)

    def open(self, **changes: object) -> Executor:
        disk = Disk([self.data])
        options = LocalOptions(runtime="podman", kill_grace=timedelta(seconds=1), log_tail=1000)
        staging = Staging(sources={"file": disk}, sinks={"file": disk}, transfers=1)
        executor = open_executor(replace(options, **changes), data=self.data, stager=staging)
        self.opened.append(executor)
        return executor

    def containers(self) -> list[str]:
        words = ["podman", "ps", "--all", "--format", "{{.Names}}"]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.split()


@pytest.fixture
async def host(
    podman_host: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Host]:
    for name, value in podman_host.items():
        monkeypatch.setenv(name, value)
    host = Host(tmp_path / "data", podman_host)
    yield host
    for executor in host.opened:
        for handle in await executor.held():
            await executor.clean(handle)
        await executor.close()
    assert host.containers() == []


def sh(text: str, **fields: object) -> Command:
    return Command(image="any", argv=("/bin/sh", "-c", text), **fields)


def spec(*commands: Command, amount: Amount | None = None, **fields: object) -> Spec:
    work = Work(commands=commands, **fields)
    return Spec(job=JobId("job"), attempt=1, work=work, amount=amount or Amount(cores=1))


async def until(executor: Executor, handle: Handle, holds: Callable[[Observation], bool]) -> Observation:
    async with asyncio.timeout(DEADLINE_S):
        while not holds(seen := (await executor.observe([handle]))[handle]):
            await executor.changed()
        return seen


async def seen_with(executor: Executor, handle: Handle, holds: Callable[[Observation], bool]) -> None:
    """For what nobody is told of."""
    async with asyncio.timeout(DEADLINE_S):
        for pause_s in itertools.repeat(0.01):
            if holds((await executor.observe([handle]))[handle]):
                return
            await asyncio.sleep(pause_s)


async def run(executor: Executor, spec: Spec) -> Observation:
    handle = await executor.start(spec)
    return await until(executor, handle, lambda seen: seen.phase is Phase.ENDED)


def said(seen: Observation) -> str:
    return "\n".join(seen.system_log)


async def test_the_image_is_what_a_command_sees_and_no_entrypoint_is_run(host: Host) -> None:
    seen = await run(host.open(), spec(sh("cat readme; touch /no", workdir="/app"), volumes=("/vol",)))
    (log,) = seen.commands
    assert (log.exit_code, log.stdout) == (1, "from the image\n")
    assert "Read-only" in (log.stderr or "")
    assert host.containers() == []


async def test_streams_go_to_files_without_a_shell_in_the_image(host: Host) -> None:
    streams = {"stdin": "/vol/said", "stdout": "/vol/copy"}
    seen = await run(
        host.open(),
        spec(
            Command(image="any", argv=("/bin/printf", "a b"), stdout="/vol/said"),
            Command(image="any", argv=("/bin/cat",), **streams),
            sh("cat /vol/copy"),
            volumes=("/vol",),
        ),
    )
    assert [log.stdout for log in seen.commands] == ["a b", "a b", "a b"]


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize("place", ["/vol/x", "/vol/up/x"])
async def test_a_link_that_an_earlier_command_planted_is_no_way_to_the_hosts_files(
    host: Host, tmp_path: Path, stream: str, place: str
) -> None:
    secret = tmp_path / "x"
    secret.write_text("secret")
    plant = sh(f"rm -rf /vol/x /vol/up; ln -s {secret} /vol/x; ln -s {tmp_path} /vol/up")
    abuse = sh("cat; echo y; echo y >&2", **{stream: place})
    seen = await run(host.open(), spec(plant, abuse, volumes=("/vol",)))
    assert seen.outcome is Outcome.FAILED
    assert "a symbolic link" in (seen.commands[1].stderr or "")
    assert "secret" not in (seen.commands[1].stdout or "")
    assert secret.read_text() == "secret"


async def test_a_command_that_takes_more_than_its_memory_is_told_apart(host: Host) -> None:
    hungry = sh("exec tail -c 200000000 /dev/zero > /dev/null")
    seen = await run(host.open(), spec(hungry, amount=Amount(cores=1, memory=30_000_000)))
    assert seen.outcome is Outcome.OUT_OF_MEMORY


async def test_an_exit_code_that_engines_use_too_is_the_commands_own(host: Host) -> None:
    seen = await run(host.open(), spec(sh("exit 125", ignore_error=True), sh("exit 126")))
    assert seen.outcome is Outcome.FAILED
    assert [log.exit_code for log in seen.commands] == [125, 126]


async def test_an_engine_that_cannot_run_a_command_is_the_systems_fault_even_if_errors_are_ignored(
    host: Host,
) -> None:
    executor = host.open(containers=ContainerOptions(capabilities=("NO_SUCH",)))
    seen = await run(executor, spec(sh("true", ignore_error=True), sh("true")))
    assert (seen.outcome, seen.passing, len(seen.commands)) == (Outcome.ERRORED, False, 1)
    assert "podman could not run command 1" in said(seen)


async def test_an_image_whose_registry_does_not_answer_may_be_tried_again(host: Host) -> None:
    seen = await run(host.open(), spec(Command(image="registry.invalid/none:1", argv=("x",))))
    assert (seen.outcome, seen.passing, seen.commands) == (Outcome.ERRORED, True, ())
    assert "pulling the image registry.invalid/none:1" in said(seen)
    assert "cannot be pulled now" in said(seen)


@pytest.mark.parametrize(
    "image, pull, words",
    [
        ("localhost/none:1", "never", "is not on this host"),
        ("no-such-name", "missing", "does not exist"),
        ("dir:/etc", "missing", "not the name of an image"),
    ],
)
async def test_an_image_that_cannot_be_had_is_an_error_for_good(
    host: Host, image: str, pull: str, words: str
) -> None:
    executor = host.open(containers=ContainerOptions(pull=pull))
    seen = await run(executor, spec(Command(image=image, argv=("x",))))
    assert (seen.outcome, seen.passing, seen.commands) == (Outcome.ERRORED, False, ())
    assert words in said(seen)


async def test_a_cancel_stops_a_pull(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    engine = tmp_path / "bin" / "podman"
    engine.write_text('#!/bin/sh\n[ "$1" = pull ] && exec sleep 1000\n[ "$1" != image ]\n')
    engine.chmod(0o755)
    with monkeypatch.context() as machine:
        machine.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        executor = host.open()
    handle = await executor.start(spec(sh("true")))
    await seen_with(executor, handle, lambda seen: "pulling" in said(seen))
    await executor.cancel(handle)
    seen = await until(executor, handle, lambda seen: seen.phase is Phase.ENDED)
    assert (seen.outcome, seen.commands) == (Outcome.CANCELED, ())


async def test_a_container_left_by_a_process_that_died_goes_when_its_attempt_is_cleaned(host: Host) -> None:
    first = host.open()
    handle = await first.start(spec(sh("echo held; sleep 1000")))
    await seen_with(first, handle, lambda seen: bool(seen.commands and seen.commands[0].stdout))
    await first.close()
    os.killpg(int((host.data / "attempts" / handle / "pid").read_text()), 9)
    assert host.containers() == ["jobyard-job.1-1"]
    await host.open().clean(handle)
    assert host.containers() == []
