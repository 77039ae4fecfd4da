"""The kill campaign, in short; `make faults` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_nothing_is_lost_or_done_twice_when_processes_are_killed(sandbox: str) -> None:
    size = ["--tasks", "208", "--clients", "16", "--kills", "12", "--minutes", "4"]
    campaign = subprocess.run(
        [sys.executable, "-m", "faults", *size, "--sandbox", sandbox],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
