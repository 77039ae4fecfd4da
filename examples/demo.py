"""`make demo`: serve Jobyard on a free port of this machine, run a real task, and show what came out.

Everything it makes is below `.demo/`. It stays up until Ctrl-C, so that you can look around. With `--check`
it compares the result with what other tools say about the same genome, stops the server, and exits 0 if all
is well.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import httpx

EXAMPLES = Path(__file__).resolve().parent
GENOME = EXAMPLES / "genomes" / "vibrio-cholerae-n16961.fna.gz"
TASKS = "/ga4gh/tes/v1/tasks"
UNFINISHED = {"QUEUED", "INITIALIZING", "RUNNING", "PAUSED", "CANCELING"}
READY_SECONDS = 30
TASK_SECONDS = 60
STOP_SECONDS = 40  # more than the server gives its own processes

# Not computed by the code that is checked. Contigs, lengths:  zcat GENOME |
#   awk '/^>/ {if (l) print l; l = 0; next} {l += length($0)} END {print l}'        -> 2961149, 1072315
# GC and ambiguous bases:  zcat GENOME | grep -v '>' | fold -w1 | sort | uniq -c
#   -> A 1053238, C 952862, G 962514, T 1064813, others 37; GC = 1915376 / 4033427
EXPECTED = {
    "contigs": 2,
    "total_length": 4_033_464,
    "longest": 2_961_149,
    "n50": 2_961_149,
    "gc_percent": 47.49,
    "ambiguous_bases": 37,
}
GENOME_SHA256 = "ef8ecca73105608a904c9e81973ef3af472096e349a463fbec324411c6566cc9"


class DemoError(Exception):
    """What went wrong, for people."""


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A server with its data in `directory`; its URL. However this is left, the server is stopped."""
    log, out = directory / "server.log", directory / "server.out"
    roots = json.dumps([str(EXAMPLES), str(directory / "results")])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    environment |= {
        "JOBYARD_LOCAL__RUNTIME": "process",
        "JOBYARD_FILES__ROOTS": roots,
        "JOBYARD_TES__EXPOSE_TES11_STATES": "true",  # CANCELED then means that it has ended
    }
    jobyard = Path(sys.executable).with_name("jobyard")
    with log.open("wb") as stderr, out.open("wb") as stdout:
        server = subprocess.Popen(  # noqa: S603  # our own program, with our own arguments
            [jobyard, "serve", "--listen", "127.0.0.1:0", "--data", directory / "data"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=directory,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the server in order
        )
    try:
        yield wait_until_ready(server, out)
    except Exception:
        say(f"\nThe end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
        raise
    finally:
        stop(server)


def wait_until_ready(server: subprocess.Popen[bytes], out: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        for line in out.read_text().splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ").strip().rstrip("/")
        if server.poll() is not None:
            raise DemoError(f"the server did not start: it ended with status {server.returncode}")
        time.sleep(0.02)
    raise DemoError(f"the server was not ready after {READY_SECONDS} s")


def stop(server: subprocess.Popen[bytes]) -> None:
    """In order if it can be, by force if it must; a second Ctrl-C is force. Nothing of it is left."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        say("The server did not stop in time: killing it.")
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def submit(api: httpx.Client, results: Path) -> str:
    """Fill in the example task and post it; its id."""
    text = (EXAMPLES / "assembly-stats" / "task.json").read_text()
    task = json.loads(text.replace("@EXAMPLES@", str(EXAMPLES)).replace("@RESULTS@", str(results)))
    answer = api.post(TASKS, json=task)
    if answer.status_code != httpx.codes.OK:
        raise DemoError(f"the task was refused with {answer.status_code}: {answer.text}")
    return str(answer.json()["id"])


def follow(api: httpx.Client, task: str) -> dict[str, Any]:
    """Show each change of state until the task has ended; the task in full. Never leaves it running."""
    began, state = time.monotonic(), ""
    try:
        while time.monotonic() < began + TASK_SECONDS:
            before, state = state, state_of(api, task)
            if state != before:
                say(f"  {time.monotonic() - began:6.2f} s  {state}")
            if state not in UNFINISHED:
                return dict(api.get(f"{TASKS}/{task}", params={"view": "FULL"}).raise_for_status().json())
            time.sleep(0.02)
        raise DemoError(f"the task was still {state} after {TASK_SECONDS} s")
    finally:
        if state in UNFINISHED | {""}:
            cancel(api, task)


def state_of(api: httpx.Client, task: str) -> str:
    return str(api.get(f"{TASKS}/{task}").raise_for_status().json()["state"])


def cancel(api: httpx.Client, task: str) -> None:
    """Jobs outlive their server, so this one must end first. Silent where the server has gone."""
    deadline = time.monotonic() + STOP_SECONDS
    with suppress(httpx.HTTPError):
        api.post(f"{TASKS}/{task}:cancel").raise_for_status()
        while state_of(api, task) in UNFINISHED and time.monotonic() < deadline:
            time.sleep(0.02)


def check(task: dict[str, Any], results: Path) -> None:
    """Raises `DemoError` naming the first thing that is not as it must be."""
    [attempt] = task["logs"]
    commands = attempt["logs"]
    stored = {output["path"]: int(output["size_bytes"]) for output in attempt["outputs"]}
    summary = (results / "summary.txt").read_text().split()
    facts = {
        "the genome's SHA-256": (hashlib.sha256(GENOME.read_bytes()).hexdigest(), GENOME_SHA256),
        "the exit codes": ([command["exit_code"] for command in commands], [0, 0]),
        "the statistics in the output file": (json.loads((results / "stats.json").read_text()), EXPECTED),
        "the statistics on standard output": (json.loads(commands[0]["stdout"]), EXPECTED),
        "the numbers in the table": (
            [word for word in summary if word[0].isdigit()],
            [f"{value:,}" for value in EXPECTED.values()],
        ),
        "the files that the task lists": (
            stored,
            {f"/results/{name}": (results / name).stat().st_size for name in ("stats.json", "summary.txt")},
        ),
    }
    for what, (found, expected) in facts.items():
        if found != expected:
            raise DemoError(f"{what}: expected {expected}, found {found}")
        say(f"  right: {what}")


def require_complete(task: dict[str, Any]) -> None:
    if task["state"] != "COMPLETE":
        raise DemoError(f"the task ended in {task['state']}: {json.dumps(task['logs'], indent=2)}")


def look_around(url: str, task: str, directory: Path) -> None:
    """Until Ctrl-C, which is the expected end."""
    with suppress(KeyboardInterrupt), httpx.Client(base_url=url, trust_env=False) as api:
        say(
            f"\nThe server is still up. Try:\n"
            f"  API explorer       {url}/docs\n"
            f"  this task in full  {url}{TASKS}/{task}?view=FULL\n"
            f"  the same, for people\n"
            f"    .venv/bin/jobyard get {task} --server {url}\n"
            f"  the results        {directory / 'results'}\n"
            f"  the server's log   {directory / 'server.log'}\n"
            f"Ctrl-C stops it."
        )
        while True:
            api.get("/healthz").raise_for_status()
            time.sleep(1)


def demo(directory: Path, *, checking: bool) -> None:
    results = directory / "results"
    results.mkdir()
    sandbox = "bubblewrap" if shutil.which("bwrap") else "none (bubblewrap is not installed)"
    say(f"Starting a server in {directory}\n  jobs run as processes; sandbox: {sandbox}")
    began = time.monotonic()
    with serving(directory) as url:
        say(f"  ready after {time.monotonic() - began:.2f} s at {url}")
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as api:
            id = submit(api, results)
            say(f"Submitted examples/assembly-stats/task.json: task {id}")
            task = follow(api, id)
        require_complete(task)
        say(f"\n{GENOME.name}:\n{(results / 'summary.txt').read_text()}")
        if checking:
            check(task, results)
        else:
            look_around(url, id, directory)
        say("Stopping the server.")


def quit_on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve, run a real task, show the result")
    parser.add_argument("--check", action="store_true", help="verify the result, then stop")
    checking = parser.parse_args().check
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, quit_on_signal)
    home = EXAMPLES.parent / ".demo"
    home.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=home))
    try:
        demo(directory, checking=checking)
    except (DemoError, httpx.HTTPError, OSError, ValueError) as error:
        sys.exit(f"demo: FAILED: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
    if checking:
        shutil.rmtree(directory)
        say("The demo works.")


if __name__ == "__main__":
    main()
