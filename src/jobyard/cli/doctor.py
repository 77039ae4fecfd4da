"""`doctor`: what works on this machine, and what is missing."""

from dataclasses import asdict

import typer

from jobyard.cli.errors import ExitCode
from jobyard.cli.options import Config, Data, Json
from jobyard.cli.terminal import say_json, say_table


def doctor(config: Config = None, data: Data = None, json: Json = False) -> None:
    """Say what works here, and what is missing.

    Each finding says what to do about it. The exit code is 1 if `serve` could not work. In a pipe: one
    line a finding with level, subject, message
    and advice, parted by tabs.
    """
    from jobyard.cli.checks import Level, findings
    from jobyard.cli.configuration import load

    found = list(findings(load(config, data=data).settings))
    if json:
        say_json([asdict(finding) for finding in found])
    else:
        say_table(
            ("", "", "FINDING", "WHAT TO DO"),
            [(finding.level, finding.subject, finding.message, finding.advice) for finding in found],
        )
    if any(finding.level == Level.FAIL for finding in found):
        raise typer.Exit(ExitCode.FAILED)
