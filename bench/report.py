"""What was measured, beside what is wanted: a table for people, JSON for comparing."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from load import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    value: float
    at_most: bool = False
    """Otherwise: at least."""

    def met_by(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value

    def wording(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.value:,g}"


GOALS = {
    "create, --role api, 32 connections": Goal(value=2_500),
    "create, --role all, 32 connections": Goal(value=2_500),
    "get MINIMAL, 32 connections": Goal(value=12_000),
    "get BASIC, 32 connections": Goal(value=12_000),
    "get FULL, 32 connections": Goal(value=12_000),
    "list 50 MINIMAL, 32 connections": Goal(value=3_000),
    "list 50 FULL, 32 connections": Goal(value=1_500),
    "no-op jobs, sandbox none": Goal(value=150),
    "no-op jobs, sandbox bubblewrap": Goal(value=150),
    "first start": Goal(value=1.5, at_most=True),
    "second start": Goal(value=1.5, at_most=True),
    "memory when ready": Goal(value=150, at_most=True),
    "memory after load": Goal(value=150, at_most=True),
}

RATIO_GOAL = Goal(value=3, at_most=True)
"""Of the median times with 10^6 and with 10^4 stored tasks, for every query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    value: float
    unit: str
    p50_ms: float | None = None
    p99_ms: float | None = None
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return f"{'met' if self.goal.met_by(self.value) else 'MISSED'} ({self.goal.wording()})"


def figure(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, goal=GOALS.get(name))


def rate_figure(name: str, rate: Rate) -> Figure:
    return Figure(
        name=name,
        value=rate.per_second,
        unit="/s",
        p50_ms=rate.p50_ms,
        p99_ms=rate.p99_ms,
        goal=GOALS.get(name),
    )


def line(figure: Figure) -> str:
    value = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:,.4g}"
    times = [f"{ms:>9,.2f}" if ms is not None else " " * 9 for ms in (figure.p50_ms, figure.p99_ms)]
    return f"{figure.name:<60} {value:>10} {figure.unit:<4} {times[0]} {times[1]}  {figure.verdict}".rstrip()


HEADER = f"{'':<60} {'value':>10} {'':<4} {'p50 ms':>9} {'p99 ms':>9}  goal"


def machine() -> dict[str, object]:
    """What a figure means nothing without."""
    models = {
        text.partition(":")[2].strip()
        for text in Path("/proc/cpuinfo").read_text().splitlines()
        if text.startswith("model name")
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": ", ".join(sorted(models)),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def write(directory: Path, about: dict[str, object], figures: Sequence[Figure]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    rows = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    path.write_text(json.dumps({"machine": about, "figures": rows}, indent=2) + "\n")
    return path


def missed(figures: Iterable[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.goal and not figure.goal.met_by(figure.value)]


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout.strip() or "unknown"
