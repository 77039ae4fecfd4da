"""Processes that are started while the supervisor dies."""

import subprocess
import sys

DIES_AT_ONCE = """
import os, sys, time
from jobyard.bootstrap import die_with
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.001)
die_with(parent)
print("lives on without a supervisor")
"""


def test_a_process_whose_parent_died_before_it_could_ask_to_die_with_it_ends() -> None:
    told = subprocess.run(
        [sys.executable, "-c", DIES_AT_ONCE], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout == ""
    assert told.stderr == ""
