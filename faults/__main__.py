"""`make faults`: tasks are sent by many clients while processes are killed; then everything is checked."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from faults import checks, story
from faults.cases import SOURCE, SOURCE_BYTES, Case, Maker
from faults.clients import Clients, Task, client_of
from faults.counter import Runs, counting, saying
from faults.damage import Attacker, planned
from faults.served import Served

_LEASE_S = 1.5
_SETTINGS = {
    "LOCAL__RUNTIME": "process",
    "LOCAL__CORES": "16",  # most tasks only wait
    "LOCAL__MEMORY_GB": "16",
    "LOCAL__DISK_GB": "16",
    "LOCAL__KILL_GRACE": "1",
    "ENGINE__LEASE_TTL": str(_LEASE_S),
    "TES__EXPOSE_TES11_STATES": "true",  # CANCELED then means that it has ended
    "LOG__FORMAT": "json",
    "SERVER__WORKERS": "2",
}
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    tasks: int
    clients: int
    kills: int
    minutes: float
    seed: int
    sandbox: str


@dataclass(slots=True, kw_only=True)
class Campaign:
    """One run against one instance."""

    options: Options
    served: Served
    runs: Runs
    clients: Clients
    attacker: Attacker

    async def run(self) -> list[str]:
        """What went wrong."""
        cases = self._cases()
        began = time.monotonic()
        plan = planned(Random(self.options.seed), self.options.kills)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.clients.send_all(cases, self.options.clients))
            group.create_task(self.attacker.attack(plan, lambda: self.clients.ended / len(cases)))
        seconds = time.monotonic() - began
        tasks = [await self.clients.task(sent.id) for sent in self.clients.sent]
        wrong = [*self.clients.wrong, *self._wrong_with(tasks)]
        wrong += await checks.left_while_it_serves(self.served)
        if code := await self.served.stop():
            wrong.append(f"the server ended with {code}")
        wrong += await checks.left_after_the_end(self.served)
        wrong += checks.wrong_files_of(cases, self.served.root)
        stored = story.read(self.served.data / "jobyard.db")
        wrong += story.wrong_in(stored, Counter(sent.id for sent in self.clients.sent))
        wrong += checks.wrong_answers({task["id"]: task["state"] for task in tasks}, stored.states)
        self._report(stored, seconds)
        return wrong

    def _cases(self) -> Sequence[Case]:
        (self.served.root / SOURCE).write_bytes(SOURCE_BYTES)
        maker = Maker(
            random=Random(self.options.seed),
            root=self.served.root,
            mark=self.served.mark,
            say=saying(self.runs.port),
        )
        return [maker.case(number) for number in range(self.options.tasks)]

    def _wrong_with(self, tasks: Sequence[Task]) -> Iterator[str]:
        for sent, task in zip(self.clients.sent, tasks, strict=True):
            for fault in checks.wrong_with(sent, task, self.runs, self.served.root):
                yield f"{sent.id} ({sent.case.kind}): {fault}"

    def _report(self, stored: story.Stored, seconds: float) -> None:
        served, clients = self.served, self.clients
        ends = Counter(stored.states.values())
        print(f"{len(clients.sent)} tasks in {seconds:.0f} s: {len(clients.sent) / seconds:.1f} tasks/s")
        print("  " + ", ".join(f"{count} {state}" for state, count in ends.most_common()))
        print(f"  {clients.retries} requests made again")
        print(f"{self.attacker.kills} kills; {served.starts} starts, {served.gave_up} ended by themselves")
        moves = sorted(step.at for step in stored.steps if step.kind == "moved")
        for damage in sorted({blow.damage for blow in self.attacker.blows}):
            times = [
                min((at for at in moves if at > blow.at), default=blow.at) - blow.at
                for blow in self.attacker.blows
                if blow.damage is damage
            ]
            told = f"median {median(times):.2f} s, at most {max(times):.2f} s"
            print(f"  {damage}: {len(times)}; to the next change of a state: {told}")


async def campaign(options: Options, place: Path) -> list[str]:
    """What went wrong."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    random = Random(options.seed)
    served = Served(place=place, settings=_SETTINGS | {"LOCAL__SANDBOX": options.sandbox})
    async with counting() as runs, served.kept_up(), client_of(served.url) as http:
        attack = Campaign(
            options=options,
            served=served,
            runs=runs,
            clients=Clients(http, random),
            attacker=Attacker(served=served, random=random, lease_s=_LEASE_S),
        )
        try:
            async with asyncio.timeout(options.minutes * 60):
                return await attack.run()
        except TimeoutError:
            ended = f"{attack.clients.ended} of {options.tasks} tasks have ended"
            return [f"not over after {options.minutes:g} minutes: {ended}", *attack.clients.wrong]


def read_options() -> Options:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--kills", type=int, default=36, help="beside them a quarter as many stops")
    parser.add_argument("--minutes", type=float, default=20, help="the longest that it may take")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a plan (not its timing)")
    parser.add_argument("--sandbox", choices=["auto", "none"], default="auto")
    return Options(**vars(parser.parse_args()))


def main() -> int:
    options = read_options()
    print(f"seed {options.seed}", flush=True)
    # Not beneath /tmp, which a job has of its own.
    place = Path(tempfile.mkdtemp(prefix="jobyard-faults-", dir="/var/tmp"))
    wrong: list[str] = []
    try:
        wrong = asyncio.run(campaign(options, place))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    finally:
        if not wrong:
            shutil.rmtree(place)
    if wrong:
        print(f"WRONG, with seed {options.seed}:", *wrong[:_MOST_SHOWN], sep="\n  ", file=sys.stderr)
        print(f"  {len(wrong)} in all; the instance's files are in {place}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
