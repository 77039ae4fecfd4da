"""Drives HTTP with an existing load tool: wrk, or hey where there is no wrk."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

_GRACE_SECONDS = 20
_PATIENT_SECONDS = 20
_SCRIPT = Path(__file__).with_name("load.lua")


class NoLoadToolError(Exception):
    pass


class LoadError(Exception):
    """The tool did not work, or the server refused requests: there is nothing to measure."""


class NoAnswerError(LoadError):
    """Nothing was answered in the time of the load: one request takes longer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send, for how long. The paths are taken in turn (hey: the first only)."""

    url: str
    paths: Sequence[str]
    connections: int
    seconds: int
    body: Mapping[str, object] | None = None
    """POSTed as JSON; without it the requests are GETs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    per_second: float
    p50_ms: float
    p99_ms: float


@cache
def tool() -> str:
    """The name of the load tool here. Raises `NoLoadToolError`."""
    for name in ("wrk", "hey"):
        if shutil.which(name):
            return name
    raise NoLoadToolError(
        "no load tool: install wrk (or hey), on Debian and Ubuntu with `apt-get install wrk`"
    )


def drive(load: Load) -> Rate:
    """Raises `LoadError` if any request failed, for a rate of refusals says nothing, or none was answered."""
    with tempfile.TemporaryDirectory() as scratch:
        run = _wrk if tool() == "wrk" else _hey
        try:
            return run(load, Path(scratch))
        except NoAnswerError:
            return run(replace(load, seconds=_PATIENT_SECONDS), Path(scratch))


def _wrk(load: Load, scratch: Path) -> Rate:
    paths, body = scratch / "paths", scratch / "body"
    paths.write_text("\n".join(load.paths))
    last: list[str | Path] = ["GET", paths]
    if load.body is not None:
        body.write_text(json.dumps(load.body))
        last = ["POST", paths, body]
    output = _run(
        ["wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "-s", _SCRIPT, load.url, "--", *last],
        load.seconds,
    )
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if found is None:
        raise LoadError(f"wrk gave no result: {output[-500:]}")
    result = json.loads(found[1])
    if not result["requests"]:
        raise NoAnswerError(f"no answer within {load.seconds} s: {load.paths[0]}")
    if result["errors"]:
        raise LoadError(f"{result['errors']} of {result['requests']} requests failed: {load.paths[0]}")
    return Rate(
        per_second=result["requests"] / (result["microseconds"] / 1e6),
        p50_ms=result["p50"] / 1e3,
        p99_ms=result["p99"] / 1e3,
    )


def _hey(load: Load, scratch: Path) -> Rate:
    body: list[str | Path] = []
    if load.body is not None:
        (scratch / "body").write_text(json.dumps(load.body))
        body = ["-m", "POST", "-T", "application/json", "-D", scratch / "body"]
    output = _run(
        ["hey", "-z", f"{load.seconds}s", "-c", str(load.connections), *body, load.url + load.paths[0]],
        load.seconds,
    )
    return parse_hey(output)


def parse_hey(output: str) -> Rate:
    """From hey's report. Raises `LoadError` for one without a rate, or with answers other than 200."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    percentiles = {
        int(percent): float(value) for percent, value in re.findall(r"(\d+)% in ([\d.]+) secs", output)
    }
    statuses = set(re.findall(r"^\s+\[(\d+)\]\s+\d+ responses", output, re.MULTILINE))
    if rate is None or not {50, 99} <= percentiles.keys() or statuses != {"200"}:
        raise LoadError(f"requests failed: {output[-500:]}")
    return Rate(per_second=float(rate[1]), p50_ms=percentiles[50] * 1e3, p99_ms=percentiles[99] * 1e3)


def _run(command: Sequence[str | Path], seconds: int) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + _GRACE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"{command[0]} did not end in time") from error
    except subprocess.CalledProcessError as error:
        raise LoadError(
            f"{command[0]} ended with status {error.returncode}: {error.stderr[-500:]}"
        ) from error
    return done.stdout
