"""`make bench`: measures served instances on this machine and compares with the goals. See README.md."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from instance import InstanceError
from load import LoadError, NoLoadToolError, tool
from parts import PARTS, Setup
from report import HEADER, Figure, line, machine, missed, write

RESULTS = Path(__file__).with_name("results")


def measure(names: list[str], setup: Setup) -> tuple[list[Figure], list[str]]:
    """The figures of these parts, and what failed; a part that fails does not stop the others."""
    figures: list[Figure] = []
    failures: list[str] = []
    for name in names:
        began = time.monotonic()
        print(f"\n{name}", flush=True)
        try:
            for figure in PARTS[name](setup):
                print(line(figure), flush=True)
                figures.append(figure)
        except (InstanceError, LoadError, httpx.HTTPError, OSError) as error:
            failures.append(f"{name}: {next(iter(str(error).splitlines()), type(error).__name__)}")
            print(f"FAILED: {error}", file=sys.stderr, flush=True)
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return figures, failures


def quit_on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def chosen(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - PARTS.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure served instances on this machine")
    parser.add_argument("--only", type=chosen, default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--full", action="store_true", help="also with 10^6 stored tasks (minutes)")
    parser.add_argument("--seconds", type=int, default=3, help="of each single load (3)")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, quit_on_signal)
    try:
        about = machine() | {"load tool": tool()}
    except NoLoadToolError as error:
        sys.exit(f"bench: {error}")
    print("\n".join(f"{key:<10} {value}" for key, value in about.items()))
    print(f"\n{HEADER}")
    scratch = Path(tempfile.mkdtemp(prefix="jobyard-bench-"))
    try:
        setup = Setup(scratch=scratch, seconds=options.seconds, full=options.full)
        figures, failures = measure(options.only, setup)
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"\nwritten to {write(RESULTS, about, figures)}")
    wanted = [figure for figure in figures if figure.goal]
    print(f"goals met: {len(wanted) - len(missed(figures))} of {len(wanted)}")
    if failures:
        sys.exit("\n".join(["bench: some parts failed", *failures]))


if __name__ == "__main__":
    main()
