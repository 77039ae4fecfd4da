"""The life of one attempt: stage in, run, stage out. It can be killed after any line and taken up again."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from jobyard.domain.errors import Failure
from jobyard.domain.files import StoredOutput, masked
from jobyard.executors.base import Observation, Outcome, Phase, Spec
from jobyard.executors.local.containers import container_names
from jobyard.executors.local.engines import Engine
from jobyard.executors.local.folder import CANCELED, TIMED_OUT, Folder, Mark
from jobyard.executors.local.leader import Leader, kill_now
from jobyard.executors.local.logs import command_logs
from jobyard.executors.local.sandbox import Sandbox
from jobyard.executors.local.script import BROKEN, script
from jobyard.executors.local.stager import Stager
from jobyard.executors.local.verdict import finished, verdict

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every attempt is run with."""

    sandbox: Sandbox
    engine: Engine | None = None
    """Where commands run in containers."""
    stager: Stager
    environment: dict[str, str]
    """Of the script's shell."""
    log_tail: int  # bytes
    kill_grace: timedelta
    hostname: str


class _EndAskedError(Exception):
    """The attempt was canceled meanwhile."""


@dataclass(slots=True)
class Story:
    """What is told of an attempt, as it goes on. A `stager.Journal`."""

    lines: list[str] = field(default_factory=list)
    outputs: list[StoredOutput] = field(default_factory=list)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def stored(self, output: StoredOutput) -> None:
        self.outputs.append(output)
        self.note(
            f"stored {output.path} at {masked(output.url)}: {output.size} bytes, sha256 {output.sha256}"
        )


class Attempt:
    """Call `run` once; then `observe` and `cancel` as often as you like."""

    def __init__(self, spec: Spec, folder: Folder, means: Means, news: Callable[[], None]) -> None:
        self._spec = spec
        self._folder = folder
        self._means = means
        self._news = news
        self._phase = Phase.STARTING
        self._story = Story()
        self._result: Observation | None = None
        self._transfer: asyncio.Future[None] | None = None
        self._canceled = False
        self._leader = Leader(
            folder=folder,
            environment=means.environment,
            kill_grace=means.kill_grace,
            time_limit=spec.time_limit,
            kill=self._kill_containers if means.engine else None,
        )

    @property
    def ended(self) -> bool:
        return self._result is not None

    async def run(self) -> None:
        """Take the attempt up where it is, and bring it to its end."""
        passing = False
        try:
            if (result := self._folder.result()) is not None:
                self._result = result
                self._move(Phase.ENDED)
                return
            outcome = await self._live()
        except _EndAskedError:
            outcome = Outcome.CANCELED
        except Failure as failure:
            outcome, passing = Outcome.ERRORED, failure.passing
            self._story.note(str(failure))
        except Exception as error:  # noqa: BLE001 - an attempt that does not end would hang for ever
            _log.exception("attempt failed", attempt=self._spec.key)
            outcome, passing = Outcome.ERRORED, True
            self._story.note(f"the executor failed: {_reason(error)}")
            kill_now(self._folder)
            await self._remove_containers()
        if self._canceled:
            outcome, passing = Outcome.CANCELED, False
        self._finish(outcome, passing=passing)

    def rang(self) -> None:
        """A command has begun or ended."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.RUNNING
        if self._phase is Phase.RUNNING:
            self._news()

    def observe(self) -> Observation:
        """Reads marks and the ends of logs while commands run: a little file work."""
        return self._result or self._observation(self._phase)

    def cancel(self) -> None:
        """Ask for the end. It comes later, and `news` tells."""
        if self.ended or self._canceled:
            return
        self._canceled = True
        try:
            self._folder.mark(CANCELED)
        except OSError:  # a full disk must not keep the job running
            _log.exception("cancel not kept", attempt=self._spec.key)
        if self._transfer:
            self._transfer.cancel()
        self._leader.end()

    async def _live(self) -> Outcome:
        work, folder = self._spec.work, self._folder
        self._canceled = self._canceled or folder.has(CANCELED)
        if folder.ready:
            self._story.lines += folder.notes()
        else:
            await self._make_ready()
        marks = folder.marks(len(work.commands))
        if not finished(work, marks):
            marks = await self._run_commands()
        timed_out = folder.has(TIMED_OUT)
        if not (self._canceled or timed_out) and folder.has(BROKEN):
            raise await self._engine_failure(len(marks))
        outcome = verdict(
            work,
            marks,
            canceled=self._canceled,
            timed_out=timed_out,
            out_of_memory=folder.has(f"{len(marks)}.oom"),
        )
        if outcome is None:
            trouble = folder.trouble()
            raise Failure(f"the job's processes disappeared{trouble and f': {trouble}'}", passing=True)
        if outcome is Outcome.TIMED_OUT:
            self._story.note(f"ended at its time limit of {self._spec.time_limit}")
        await self._store(outcome)
        return outcome

    async def _run_commands(self) -> tuple[Mark, ...]:
        folder = self._folder
        if folder.has("1.start"):
            self._move(Phase.RUNNING)
        elif folder.pid() is None:
            self._stop_if_canceled()
        await self._leader.run()
        marks = folder.marks(len(self._spec.work.commands))
        if self._canceled or folder.has(TIMED_OUT) or not finished(self._spec.work, marks):
            await self._remove_containers()
        return marks

    async def _make_ready(self) -> None:
        self._stop_if_canceled()
        work, folder = self._spec.work, self._folder
        self._means.stager.check(work.inputs, work.outputs)
        plan = self._means.sandbox.plan(self._spec, os.fspath(folder.view))
        if engine := self._means.engine:
            images = [command.image for command in work.commands]
            await self._unless_canceled(engine.prepare(images, self._story.note))
        if self._folder.has("staging"):  # an earlier process did not get to the end of it
            await asyncio.to_thread(folder.forget_view)
        if work.inputs:
            self._folder.mark("staging")
            await self._unless_canceled(self._means.stager.bring(work.inputs, folder.view, self._story))
        for line in plan.notes:
            self._story.note(line)
        folder.lay_out(plan.directories, plan.links, plan.files, plan.empty)
        try:
            text = os.fsencode(script(self._spec.key, plan.steps))
        except UnicodeEncodeError as error:
            raise Failure("a command or its environment holds text that is no Unicode") from error
        folder.make_ready(text, self._story.lines)

    async def _store(self, outcome: Outcome) -> None:
        """Of a job that was not canceled. What fails is told, and hides nothing that the commands did."""
        work = self._spec.work
        if outcome is Outcome.CANCELED or not work.outputs:
            return
        self._move(Phase.FINALIZING)
        missing_ok = work.missing_outputs_ok or outcome is not Outcome.SUCCEEDED
        store = self._means.stager.store
        try:
            await self._unless_canceled(
                store(work.outputs, self._folder.view, self._story, missing_ok=missing_ok)
            )
        except Failure as failure:
            if outcome is Outcome.SUCCEEDED:
                raise
            self._story.note(f"warning: {failure}")

    async def _unless_canceled(self, transfer: Coroutine[None, None, None]) -> None:
        self._transfer = task = asyncio.ensure_future(transfer)
        try:
            await task
        except asyncio.CancelledError:
            if self._canceled and task.cancelled():
                raise _EndAskedError from None
            raise
        finally:
            self._transfer = None
        self._stop_if_canceled()

    async def _engine_failure(self, number: int) -> Failure:
        """Of the command that it was to run."""
        assert self._means.engine, "only a container engine leaves the mark"
        name = self._means.engine.dialect.name
        if trouble := await self._means.engine.trouble():
            return Failure(f"{name} does not work on this host: {trouble}", passing=True)
        said = self._folder.last_words(number).replace(str(self._folder.path), "")
        return Failure(f"{name} could not run command {number}: {said}")

    async def _kill_containers(self) -> None:
        if self._means.engine:
            await self._means.engine.kill(self._container_names())

    async def _remove_containers(self) -> None:
        if self._means.engine:
            await self._means.engine.remove(self._container_names())

    def _container_names(self) -> tuple[str, ...]:
        """Of the commands that have begun."""
        return container_names(self._spec.key, len(self._folder.marks(len(self._spec.work.commands))))

    def _stop_if_canceled(self) -> None:
        if self._canceled:
            raise _EndAskedError

    def _move(self, phase: Phase) -> None:
        self._phase = phase
        self._news()

    def _finish(self, outcome: Outcome, *, passing: bool) -> None:
        result = self._observation(Phase.ENDED, outcome=outcome, passing=passing, ended=datetime.now(UTC))
        try:
            self._folder.keep_result(result)
        except OSError:  # the next process would find it out again
            _log.exception("result not kept", attempt=self._spec.key)
        self._result = result
        self._move(Phase.ENDED)

    def _observation(
        self,
        phase: Phase,
        *,
        outcome: Outcome | None = None,
        passing: bool = False,
        ended: datetime | None = None,
    ) -> Observation:
        return Observation(
            phase=phase,
            outcome=outcome,
            passing=passing,
            started=self._folder.started,
            ended=ended,
            commands=command_logs(self._spec.work, self._folder, self._means.log_tail),
            outputs=tuple(self._story.outputs),
            system_log=tuple(self._story.lines),
            metadata={"hostname": self._means.hostname},
        )


def _reason(error: Exception) -> str:
    """Without the paths that an `OSError` names."""
    return error.strerror or "unknown error" if isinstance(error, OSError) else type(error).__name__
