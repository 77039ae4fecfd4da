"""The promises of an executor, kept by every backend that runs here."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from jobyard.blobs.disk import Disk
from jobyard.domain.errors import Failure
from jobyard.domain.files import FileType, Input, Output
from jobyard.domain.job import JobId
from jobyard.domain.resources import Amount
from jobyard.domain.work import Command, Work
from jobyard.executors.base import Executor, Handle, Observation, Outcome, Phase, Spec
from jobyard.executors.local.plugin import LocalOptions, open_executor
from jobyard.staging.staging import Staging

DEADLINE_S = 20


class Gated(Disk):
    """Files of the disk that arrive, and are stored, only once the gate is opened."""

    def __init__(self, roots: list[Path]) -> None:
        super().__init__(roots)
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str, to: int) -> None:
        await self.gate.wait()
        await super().fetch(url, to)

    async def put(self, url: str, source: int) -> tuple[int, str]:
        await self.gate.wait()
        return await super().put(url, source)


@dataclass
class Yard:
    """A machine with one executor after the other on it."""

    data: Path
    files: Path
    options: LocalOptions
    opened: list[Executor] = field(default_factory=list)
    blobs: Gated = field(init=False)

    def __post_init__(self) -> None:
        self.blobs = Gated([self.files])

    def open(self, **changes: object) -> Executor:
        staging = Staging(sources={"file": self.blobs}, sinks={"file": self.blobs}, transfers=2)
        executor = open_executor(replace(self.options, **changes), data=self.data, stager=staging)
        self.opened.append(executor)
        return executor

    def url(self, name: str) -> str:
        return (self.files / name).as_uri()

    def stored(self, name: str) -> str:
        return (self.files / name).read_text()

    def write(self, name: str, text: str) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture(params=["none", "bubblewrap", pytest.param("podman", marks=pytest.mark.slow)])
async def yard(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Yard]:
    if request.param == "bubblewrap" and not shutil.which("bwrap"):
        if os.environ.get("CI"):
            pytest.fail("bubblewrap must be installed in CI")
        pytest.skip("bubblewrap is not installed")
    files = tmp_path / "files"
    files.mkdir()
    options = LocalOptions(
        runtime="process", sandbox=request.param, log_tail=1000, kill_grace=timedelta(seconds=5)
    )
    if request.param == "podman":
        for name, value in request.getfixturevalue("podman_host").items():
            monkeypatch.setenv(name, value)
        options = replace(options, runtime="podman", sandbox="auto", kill_grace=timedelta(seconds=1))
    yard = Yard(tmp_path / "data", files, options)
    yield yard
    for executor in yard.opened:
        await executor.close()
    last = yard.open()
    found = await last.find([path.name for path in (yard.data / "attempts").iterdir()])
    for handle in found.values():
        await last.clean(handle)
    await last.close()


def sh(text: str, **fields: object) -> Command:
    return Command(image="any", argv=("/bin/sh", "-c", text), **fields)


def spec(*commands: Command, job: str = "job", time_limit: timedelta | None = None, **fields: object) -> Spec:
    work = Work(commands=commands, **fields)
    return Spec(job=JobId(job), attempt=1, work=work, amount=Amount(cores=1), time_limit=time_limit)


async def until(executor: Executor, handle: Handle, holds: Callable[[Observation], bool]) -> Observation:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            seen = (await executor.observe([handle]))[handle]
            if holds(seen):
                return seen
            await executor.changed()


async def end_of(executor: Executor, handle: Handle) -> Observation:
    return await until(executor, handle, lambda seen: seen.phase is Phase.ENDED)


async def run(executor: Executor, spec: Spec) -> Observation:
    return await end_of(executor, await executor.start(spec))


async def eventually(holds: Callable[[], bool]) -> None:
    """For what only the commands know of, and tell nobody."""
    async with asyncio.timeout(DEADLINE_S):
        for pause_s in itertools.repeat(0.01):
            if holds():
                return
            await asyncio.sleep(pause_s)


def alive(pid: str) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def on_host(path: str) -> bool:
    return os.path.lexists(path)


def said(seen: Observation) -> str:
    return "\n".join(seen.system_log)


HOLD = "echo held; while [ ! -e /vol/go ]; do sleep 0.05; done"
"""Waits until the test lets it go. To be given the volume `/vol`."""


def let_go(yard: Yard, handle: Handle) -> None:
    (yard.data / "attempts" / handle / "view" / "vol" / "go").touch()


async def test_a_command_that_succeeds_is_told_with_its_streams_and_times(yard: Yard) -> None:
    seen = await run(yard.open(), spec(sh("echo out; echo err >&2")))
    assert seen.outcome is Outcome.SUCCEEDED
    (log,) = seen.commands
    assert (log.exit_code, log.stdout, log.stderr) == (0, "out\n", "err\n")
    times = [time for time in (seen.started, log.started, log.ended, seen.ended) if time]
    assert len(times) == 4
    assert times == sorted(times)
    assert seen.metadata["hostname"]


async def test_commands_stop_after_the_first_that_fails(yard: Yard) -> None:
    seen = await run(yard.open(), spec(sh("exit 0"), sh("exit 7"), sh("exit 0")))
    assert seen.outcome is Outcome.FAILED
    assert [log.exit_code for log in seen.commands] == [0, 7]


async def test_an_ignored_error_is_told_and_the_rest_runs(yard: Yard) -> None:
    seen = await run(yard.open(), spec(sh("exit 3", ignore_error=True), sh("true"), sh("echo last")))
    assert seen.outcome is Outcome.SUCCEEDED
    assert [log.exit_code for log in seen.commands] == [3, 0, 0]
    assert seen.commands[2].stdout == "last\n"


@pytest.mark.parametrize("argv, code", [(("no-such-program",), 127), (("/etc/passwd",), 126)])
async def test_a_program_that_cannot_be_run_is_a_failed_command(
    yard: Yard, argv: tuple[str, ...], code: int
) -> None:
    seen = await run(yard.open(), spec(Command(image="any", argv=argv)))
    assert (seen.outcome, seen.commands[0].exit_code) == (Outcome.FAILED, code)
    assert str(yard.data) not in (seen.commands[0].stderr or "")


async def test_a_command_killed_by_a_signal_has_the_exit_code_of_a_shell(yard: Yard) -> None:
    seen = await run(yard.open(), spec(sh("sh -c 'kill -9 $$'; exit $?")))
    assert (seen.outcome, seen.commands[0].exit_code) == (Outcome.FAILED, 137)


WORDS = (
    "",
    " ",
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "*",
    "~",
    "\\n",
    "a\nb",
    "ü€😀",
    "-n",
    ";exit 1",
    "\t",
    "%s",
    "!x",
)


async def test_arguments_arrive_byte_for_byte(yard: Yard) -> None:
    argv = ("/usr/bin/printf", "%s\\0", *WORDS)
    seen = await run(yard.open(), spec(Command(image="any", argv=argv)))
    assert seen.commands[0].stdout == "".join(f"{word}\0" for word in WORDS)


async def test_the_environment_arrives_byte_for_byte_and_holds_nothing_of_the_servers(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_SECRET", "x")
    env = {f"V{number}": word for number, word in enumerate(WORDS)} | {"odd.key": "1", "IFS": "x", "A": "b"}
    seen = await run(yard.open(), spec(Command(image="any", argv=("/usr/bin/env", "-0"), env=env)))
    assert seen.outcome is Outcome.SUCCEEDED, seen
    got = dict(item.split("=", 1) for item in (seen.commands[0].stdout or "").split("\0") if item)
    assert env.items() <= got.items()
    assert set(got) - set(env) <= {
        "PATH",
        "LANG",
        "HOME",
        "TMPDIR",
        "JOBYARD_VIEW",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        *(("HOSTNAME", "TERM", "container") if yard.options.runtime == "podman" else ()),
    }


async def test_commands_share_volumes_and_tmp_and_their_own_home(yard: Yard) -> None:
    seen = await run(
        yard.open(),
        spec(
            sh("echo one > /vol/a; echo two > /tmp/b; echo three > $HOME/c"),
            sh("cat /vol/a /tmp/b $TMPDIR/c"),
            volumes=("/vol",),
        ),
    )
    assert seen.commands[-1].stdout == "one\ntwo\nthree\n"
    assert not on_host("/vol")


async def test_streams_go_to_files_and_to_the_log_each_command_its_own(yard: Yard) -> None:
    streams = {"stdin": "/in/text", "stdout": "/made/out.txt", "stderr": "/made/err.txt"}
    seen = await run(
        yard.open(),
        spec(
            sh("cat; echo first >&2", **streams),
            sh("echo second", stdout="/made/out.txt"),
            inputs=(Input(path="/in/text", content="typed\n"),),
            outputs=(
                Output(path="/made/out.txt", url=yard.url("out")),
                Output(path="/made/err.txt", url=yard.url("err")),
                Output(path="/in/text", url=yard.url("in")),
            ),
        ),
    )
    assert [(log.stdout, log.stderr) for log in seen.commands] == [("typed\n", "first\n"), ("second\n", "")]
    assert (yard.stored("out"), yard.stored("err"), yard.stored("in")) == ("second\n", "first\n", "typed\n")


async def test_one_file_may_take_both_streams(yard: Yard) -> None:
    both = {"stdout": "/made/both", "stderr": "/made/both"}
    seen = await run(
        yard.open(),
        spec(
            sh("echo a; echo b >&2; echo c", **both),
            outputs=(Output(path="/made/both", url=yard.url("both")),),
        ),
    )
    assert seen.outcome is Outcome.SUCCEEDED
    stored = yard.stored("both")
    if yard.options.runtime == "podman":  # the engine brings them by two pipes
        stored = "".join(sorted(stored.splitlines(keepends=True)))
    assert stored == "a\nb\nc\n"


async def test_a_log_holds_the_end_of_a_stream_in_whole_characters(yard: Yard) -> None:
    text = "i=0; while [ $i -lt 500 ]; do printf 'x€'; i=$((i+1)); done"
    for fields in ({}, {"stdout": "/made/out"}):
        seen = await run(yard.open(), spec(sh(text, **fields), job=f"job{len(fields)}"))
        assert seen.commands[0].stdout == "x€" * 250


async def test_the_output_of_a_running_command_is_seen_live(yard: Yard) -> None:
    executor = yard.open()
    for stream in (None, "/made/out"):
        command = sh("echo begun; sleep 100", stdout=stream)
        handle = await executor.start(spec(command, job=f"job{bool(stream)}"))
        seen = await until_seen(executor, handle, "begun\n")
        assert (seen.phase, seen.commands[0].exit_code) == (Phase.RUNNING, None)
        await executor.cancel(handle)
        await end_of(executor, handle)


async def until_seen(executor: Executor, handle: Handle, text: str) -> Observation:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            seen = (await executor.observe([handle]))[handle]
            if seen.commands and seen.commands[0].stdout == text:
                return seen
            await asyncio.sleep(0.01)


async def test_starting_twice_starts_once(yard: Yard) -> None:
    executor = yard.open()
    twice = spec(sh("echo once >> /vol/said; cat /vol/said"), volumes=("/vol",))
    handle, again = await executor.start(twice), await executor.start(twice)
    assert handle == again
    assert (await end_of(executor, handle)).commands[0].stdout == "once\n"
    assert await executor.start(twice) == handle
    assert (await end_of(executor, handle)).commands[0].stdout == "once\n"


async def test_running_commands_are_found_again_by_the_next_process(yard: Yard) -> None:
    first = yard.open()
    held = spec(
        sh(HOLD),
        sh("echo then"),
        volumes=("/vol",),
        inputs=(Input(path="/in", content="x"),),
        time_limit=timedelta(minutes=1),
    )
    handle = await first.start(held)
    await until_seen(first, handle, "held\n")
    await first.close()

    second = yard.open()
    assert await second.find([held.key, "other.1", "../x.1"]) == {held.key: handle}
    seen = await until(second, handle, lambda seen: seen.phase is Phase.RUNNING)
    assert seen.commands[0].stdout == "held\n"
    let_go(yard, handle)
    seen = await end_of(second, handle)
    assert seen.outcome is Outcome.SUCCEEDED
    assert "staged 1 input file, 1 bytes" in said(seen)
    assert [log.exit_code for log in seen.commands] == [0, 0]


async def test_commands_that_ended_meanwhile_are_found_with_their_outputs(yard: Yard) -> None:
    first = yard.open()
    output = Output(path="/vol/made", url=yard.url("made"))
    held = spec(sh(HOLD + "; echo done > /vol/made; touch /vol/ended"), volumes=("/vol",), outputs=(output,))
    handle = await first.start(held)
    await until(first, handle, lambda seen: seen.phase is Phase.RUNNING)
    await first.close()
    let_go(yard, handle)
    exited = yard.data / "attempts" / handle / "1.exit"
    await eventually(exited.exists)

    second = yard.open()
    seen = await run(second, held)
    assert seen.outcome is Outcome.SUCCEEDED
    assert yard.stored("made") == "done\n"


async def test_inputs_on_their_way_are_brought_again_by_the_next_process(yard: Yard) -> None:
    yard.write("in", "text")
    first = yard.open()
    yard.blobs.gate.clear()
    reading = spec(sh("cat /in/a"), inputs=(Input(path="/in/a", url=yard.url("in")),))
    handle = await first.start(reading)
    assert (await first.observe([handle]))[handle].phase is Phase.STARTING
    await asyncio.sleep(0)
    await first.close()
    yard.blobs.gate.set()

    seen = await run(yard.open(), reading)
    assert (seen.outcome, seen.commands[0].stdout) == (Outcome.SUCCEEDED, "text")


async def test_outputs_on_their_way_are_stored_by_the_next_process(yard: Yard) -> None:
    first = yard.open()
    yard.blobs.gate.clear()
    output = Output(path="/out/a", url=yard.url("a"))
    writing = spec(sh("echo text > /out/a"), outputs=(output,))
    handle = await first.start(writing)
    await until(first, handle, lambda seen: seen.phase is Phase.FINALIZING)
    await first.close()
    yard.blobs.gate.set()

    seen = await run(yard.open(), writing)
    assert seen.outcome is Outcome.SUCCEEDED
    assert [(out.path, out.size) for out in seen.outputs] == [("/out/a", 5)]
    assert yard.stored("a") == "text\n"


async def test_an_attempt_that_ended_is_told_the_same_by_the_next_process(yard: Yard) -> None:
    done = spec(sh("echo text > /out/a; exit 3"), outputs=(Output(path="/out/a", url=yard.url("a")),))
    first = yard.open()
    told = await run(first, done)
    await first.close()
    assert await run(yard.open(), done) == told


async def test_processes_that_vanished_are_the_systems_fault_and_may_be_tried_again(yard: Yard) -> None:
    first = yard.open()
    handle = await first.start(spec(sh(HOLD), volumes=("/vol",)))
    await until(first, handle, lambda seen: seen.phase is Phase.RUNNING)
    leader = int((yard.data / "attempts" / handle / "pid").read_text())
    os.killpg(leader, 9)
    seen = await end_of(first, handle)
    assert (seen.outcome, seen.passing) == (Outcome.ERRORED, True)
    assert "disappeared" in said(seen)


async def test_a_cancel_ends_running_commands_and_stores_nothing(yard: Yard) -> None:
    executor = yard.open()
    output = Output(path="/vol/made", url=yard.url("made"))
    handle = await executor.start(
        spec(sh("echo x > /vol/made; " + HOLD), sh("true"), volumes=("/vol",), outputs=(output,))
    )
    await until_seen(executor, handle, "held\n")
    await executor.cancel(handle)
    await executor.cancel(handle)
    seen = await end_of(executor, handle)
    assert seen.outcome is Outcome.CANCELED
    assert len(seen.commands) == 1
    assert seen.commands[0].exit_code is not None
    assert not list(yard.files.iterdir())
    await executor.cancel(handle)


async def test_a_command_has_time_to_obey_a_cancel(yard: Yard) -> None:
    executor = yard.open()
    text = "trap 'echo bye; exit 9' TERM; echo held; while :; do sleep 0.05; done"
    for stream in (None, "/made/out"):
        handle = await executor.start(spec(sh(text, stdout=stream), job=f"job{bool(stream)}"))
        await until_seen(executor, handle, "held\n")
        await executor.cancel(handle)
        seen = await end_of(executor, handle)
        assert (seen.commands[0].stdout, seen.commands[0].exit_code) == ("held\nbye\n", 9)


async def test_a_command_that_does_not_obey_is_killed_after_the_grace_time(yard: Yard) -> None:
    executor = yard.open(kill_grace=timedelta(milliseconds=200))
    deaf = "trap '' TERM; (trap '' TERM; sleep 1000) & echo held; while :; do sleep 0.05; done"
    handle = await executor.start(spec(sh(deaf)))
    await until_seen(executor, handle, "held\n")
    await executor.cancel(handle)
    seen = await end_of(executor, handle)
    assert (seen.outcome, seen.commands[0].exit_code) == (Outcome.CANCELED, 137)


async def test_a_cancel_stops_inputs_on_their_way(yard: Yard) -> None:
    yard.write("in", "text")
    executor = yard.open()
    yard.blobs.gate.clear()
    handle = await executor.start(spec(sh("true"), inputs=(Input(path="/in/a", url=yard.url("in")),)))
    await asyncio.sleep(0)
    await executor.cancel(handle)
    seen = await end_of(executor, handle)
    assert (seen.outcome, seen.commands) == (Outcome.CANCELED, ())


async def test_a_cancel_stops_outputs_on_their_way(yard: Yard) -> None:
    executor = yard.open()
    yard.blobs.gate.clear()
    handle = await executor.start(
        spec(sh("echo > /out/a"), outputs=(Output(path="/out/a", url=yard.url("a")),))
    )
    await until(executor, handle, lambda seen: seen.phase is Phase.FINALIZING)
    await executor.cancel(handle)
    assert (await end_of(executor, handle)).outcome is Outcome.CANCELED
    assert not list(yard.files.iterdir())


async def test_a_cancel_outlives_the_process_that_was_asked(yard: Yard) -> None:
    first = yard.open()
    handle = await first.start(spec(sh(HOLD), volumes=("/vol",)))
    await until(first, handle, lambda seen: seen.phase is Phase.RUNNING)
    await first.close()
    second = yard.open()
    await second.cancel(handle)
    await second.find([handle])
    assert (await end_of(second, handle)).outcome is Outcome.CANCELED


async def test_commands_end_at_their_time_limit_and_outputs_are_stored(yard: Yard) -> None:
    executor = yard.open()
    output = Output(path="/vol/made", url=yard.url("made"))
    slow = spec(
        sh("echo x > /vol/made"),
        sh(HOLD, ignore_error=True),
        sh("true"),
        volumes=("/vol",),
        outputs=(output,),
        time_limit=timedelta(seconds=4 if yard.options.runtime == "podman" else 0.5),
    )
    seen = await run(executor, slow)
    assert seen.outcome is Outcome.TIMED_OUT
    assert len(seen.commands) == 2
    assert yard.stored("made") == "x\n"


async def test_a_time_limit_is_measured_across_a_restart(yard: Yard) -> None:
    first = yard.open()
    slow = spec(sh(HOLD), volumes=("/vol",), time_limit=timedelta(seconds=1))
    handle = await first.start(slow)
    seen = await until(first, handle, lambda seen: seen.phase is Phase.RUNNING)
    await first.close()
    begun = seen.commands[0].started
    seen = await run(yard.open(), slow)
    assert seen.outcome is Outcome.TIMED_OUT
    assert begun
    assert seen.ended
    # The first process of a container ignores TERM, unless it asks for it, and is killed after the grace.
    most = timedelta(seconds=8 if yard.options.runtime == "podman" else 3)
    assert timedelta(seconds=1) <= seen.ended - begun < most


async def test_processes_left_behind_by_a_command_end_with_the_attempt(yard: Yard) -> None:
    executor = yard.open()
    seen = await run(executor, spec(sh("sleep 1000 & echo $!"), sh("exit 0")))
    assert seen.outcome is Outcome.SUCCEEDED
    if yard.options.sandbox == "none":  # in the other, it is a number of the sandbox's own
        pid = (seen.commands[0].stdout or "").strip()
        await eventually(lambda: not alive(pid))


async def test_a_clean_leaves_nothing(yard: Yard) -> None:
    executor = yard.open()
    text = "mkdir -p /vol/a/b /vol/locked; touch /vol/locked/x; chmod 0 /vol/locked; ln -s / /vol/a/root"
    handle = await executor.start(spec(sh(text), volumes=("/vol",)))
    await end_of(executor, handle)
    await executor.clean(handle)
    assert (await executor.observe([handle]))[handle].phase is Phase.GONE
    assert [path.name for path in (yard.data / "attempts").iterdir()] == [".bell"]
    await executor.clean(handle)
    await executor.clean(Handle("never.1"))
    await executor.clean(Handle("../../etc"))


async def test_cleaning_what_runs_ends_it_first(yard: Yard) -> None:
    executor = yard.open()
    handle = await executor.start(spec(sh(HOLD), volumes=("/vol",)))
    await until(executor, handle, lambda seen: seen.phase is Phase.RUNNING)
    await executor.clean(handle)
    assert [path.name for path in (yard.data / "attempts").iterdir()] == [".bell"]


async def test_cleaning_what_an_earlier_process_started_ends_it_first(yard: Yard) -> None:
    first = yard.open()
    handle = await first.start(spec(sh(HOLD), volumes=("/vol",)))
    await until(first, handle, lambda seen: seen.phase is Phase.RUNNING)
    leader = (yard.data / "attempts" / handle / "pid").read_text().strip()
    await first.close()
    await yard.open().clean(handle)
    await eventually(lambda: not alive(leader))
    assert [path.name for path in (yard.data / "attempts").iterdir()] == [".bell"]


async def test_what_is_left_of_an_attempt_is_held_until_it_is_cleaned(yard: Yard) -> None:
    first = yard.open()
    handle = await first.start(spec(sh("true")))
    await until(first, handle, lambda seen: seen.phase is Phase.ENDED)
    await first.close()
    second = yard.open()
    assert list(await second.held()) == [handle]
    await second.clean(handle)
    assert list(await second.held()) == []


async def test_what_was_never_started_is_gone(yard: Yard) -> None:
    executor = yard.open()
    assert (await executor.observe([Handle("never.1")]))[Handle("never.1")].phase is Phase.GONE
    assert await executor.find(["never.1"]) == {}
    await executor.cancel(Handle("never.1"))


async def test_a_runtime_with_containers_is_refused_with_the_way_out_where_there_is_no_engine(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as machine:
        machine.setenv("PATH", str(tmp_path))
        executor = yard.open(runtime="auto", sandbox="none")
    with pytest.raises(Failure, match="JOBYARD_LOCAL__RUNTIME=process"):
        await executor.start(spec(sh("true")))


@pytest.mark.parametrize(
    "path",
    [
        "/usr/local/share/jobyard/in.txt",
        "/tmp/x",
        "/home/nobody-here/y",
        "/data-here/in",
        "/in-root.txt",
        "/etc/jobyard.conf",
    ],
)
async def test_a_file_is_at_its_own_path_beside_what_the_host_has(yard: Yard, path: str) -> None:
    made = f"{path}.made"
    seen = await run(
        yard.open(),
        spec(
            sh(f"cat {path} && echo more >> {path} && cat {path} > {made} && test -e /etc/passwd"),
            Command(image="any", argv=("/bin/cat", made)),
            inputs=(Input(path=path, content="text\n"),),
            outputs=(Output(path=made, url=yard.url("made")),),
        ),
    )
    assert seen.outcome is Outcome.SUCCEEDED, seen
    assert [log.stdout for log in seen.commands] == ["text\n", "text\nmore\n"]
    assert yard.stored("made") == "text\nmore\n"
    assert not on_host(path)


async def test_a_missing_working_directory_is_made_and_one_of_the_host_is_used(yard: Yard) -> None:
    seen = await run(
        yard.open(), spec(sh("echo x > here; pwd", workdir="/work-here/a"), sh("pwd", workdir="/usr/lib"))
    )
    assert [log.exit_code for log in seen.commands] == [0, 0]
    assert (seen.commands[0].stdout or "").endswith("/work-here/a\n")
    assert seen.commands[1].stdout == "/usr/lib\n"


async def test_without_a_working_directory_a_command_is_in_none_of_the_servers(yard: Yard) -> None:
    seen = await run(
        yard.open(), spec(sh("ls -A; rm -f pid run.sh spec.json"), sh("ls -A"), volumes=("/vol",))
    )
    assert seen.outcome is Outcome.SUCCEEDED
    assert "run.sh" not in (seen.commands[0].stdout or "")
    assert "vol" in (seen.commands[1].stdout or "").split()


async def test_a_missing_output_of_a_success_is_an_error_after_the_others_are_stored(yard: Yard) -> None:
    outputs = (Output(path="/out/none", url=yard.url("none")), Output(path="/out/a", url=yard.url("a")))
    seen = await run(yard.open(), spec(sh("echo x > /out/a"), outputs=outputs))
    assert (seen.outcome, seen.passing) == (Outcome.ERRORED, False)
    assert "/out/none" in said(seen)
    assert yard.stored("a") == "x\n"


async def test_a_missing_output_is_a_warning_where_the_work_says_so_or_a_command_failed(yard: Yard) -> None:
    outputs = (Output(path="/out/none", url=yard.url("none")),)
    executor = yard.open()
    seen = await run(executor, spec(sh("true"), outputs=outputs, missing_outputs_ok=True))
    assert seen.outcome is Outcome.SUCCEEDED
    assert "warning: /out/none" in said(seen)
    seen = await run(executor, spec(sh("exit 4"), outputs=outputs, job="other"))
    assert seen.outcome is Outcome.FAILED
    assert "warning: /out/none" in said(seen)


@pytest.mark.parametrize("link", ["/etc/passwd", "../../../../../../../../etc/passwd", "/proc/self/environ"])
async def test_a_link_out_of_the_view_is_no_way_to_the_hosts_files(yard: Yard, link: str) -> None:
    outputs = (
        Output(path="/out/link", url=yard.url("link")),
        Output(path="/out", url=yard.url("tree"), type=FileType.DIRECTORY),
    )
    seen = await run(yard.open(), spec(sh(f"ln -s {link} /out/link; echo x > /out/x"), outputs=outputs))
    assert seen.outcome is Outcome.ERRORED
    assert [out.path for out in seen.outputs] == ["/out/x"]
    assert "/out/link" in said(seen)


async def test_a_log_read_live_does_not_follow_a_planted_link(yard: Yard) -> None:
    executor = yard.open()
    text = "echo x; rm /out/log; ln -s /etc/passwd /out/log; touch /vol/planted; " + HOLD
    handle = await executor.start(spec(sh(text, stdout="/out/log"), volumes=("/vol",)))
    planted = yard.data / "attempts" / handle / "view/vol/planted"
    await eventually(planted.exists)
    assert (await executor.observe([handle]))[handle].commands[0].stdout == ""
    await executor.cancel(handle)
    await end_of(executor, handle)


async def test_storage_that_is_not_configured_ends_it_before_the_commands(yard: Yard) -> None:
    executor = yard.open()
    for number, fields in enumerate(
        (
            {"inputs": (Input(path="/a", url="s3://user:pw@bucket/key"),)},
            {"outputs": (Output(path="/a", url="gs://user:pw@bucket/key"),)},
        )
    ):
        seen = await run(executor, spec(sh("true"), job=f"job{number}", **fields))
        assert (seen.outcome, seen.passing, seen.commands) == (Outcome.ERRORED, False, ())
        assert "URL storage not configured" in said(seen)
        assert "pw" not in said(seen)


async def test_an_input_is_a_private_copy(yard: Yard) -> None:
    source = yard.write("in", "text")
    seen = await run(
        yard.open(),
        spec(sh("echo more >> /in/a; cat /in/a"), inputs=(Input(path="/in/a", url=yard.url("in")),)),
    )
    assert seen.commands[0].stdout == "textmore\n"
    assert source.read_text() == "text"


async def test_the_servers_own_files_are_not_seen_under_bubblewrap(yard: Yard, tmp_path: Path) -> None:
    if yard.options.sandbox != "bubblewrap":
        return
    outside = Path("/var/tmp") / f"jobyard-test-{os.getpid()}"
    yard.data = outside
    try:
        seen = await run(yard.open(), spec(sh(f"ls -A {outside}")))
        assert (seen.commands[0].exit_code, seen.commands[0].stdout) == (0, "")
    finally:
        await yard.opened[0].clean(Handle("job.1"))
        yard.data = tmp_path / "data"
        shutil.rmtree(outside)
