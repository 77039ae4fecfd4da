"""The command line against the service itself."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path):
    """The API alone, on a free port; gives its URL."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    words = ["serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--role", "api"]
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "jobyard", *words],
            env=environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), log.read_text()
        yield line.removeprefix("listening on ").strip()
        process.terminate()
        assert process.wait(30) == 0


def test_a_task_can_be_submitted_seen_and_canceled(jobyard, served):
    env = {"JOBYARD_SERVER": served}
    id = jobyard("submit", "--tag", "k=v", "--name", "first", "--", "echo", "hello", env=env).stdout.strip()
    line = jobyard("list", "--tag", "k=v", "--name-prefix", "fir", "--state", "queued", env=env).stdout
    assert line.split("\t")[:3] == [id, "QUEUED", "first"]
    assert jobyard("cancel", id, env=env).stdout == f"{id}\n"
    result = jobyard("wait", id, env=env)
    assert (result.stdout, result.exit_code) == (f"{id}\tCANCELED\n", 1)
    assert json.loads(jobyard("get", id, "--json", env=env).stdout)["tags"] == {"k": "v"}


def test_a_wrong_task_is_refused_with_the_place_of_every_mistake(jobyard, served):
    result = jobyard(
        "submit", "-", input='{"executors": [{}], "inputs": [{}]}', env={"JOBYARD_SERVER": served}
    )
    assert result.exit_code == 1
    assert "executors[0].image" in result.stderr
    assert "inputs[0].path" in result.stderr
    assert jobyard("list", env={"JOBYARD_SERVER": served}).stdout == ""


def test_an_unknown_task_is_told_in_one_line(jobyard, served):
    result = jobyard("get", "nothing", env={"JOBYARD_SERVER": served})
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
