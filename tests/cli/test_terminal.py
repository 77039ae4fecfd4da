"""The program as a process of its own: between pipes, and on a terminal."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from jobyard.cli.terminal import one_line, visible

NAME = "[red]na\x1b[31mme[/red]"


@pytest.fixture
def on_a_terminal(environment, tmp_path):
    """Runs a command with a terminal for all its streams, and gives what that terminal got."""

    def call(*words, **more):
        ours, theirs = pty.openpty()
        got: list[bytes] = []
        reader = threading.Thread(target=_drain, args=(ours, got))
        reader.start()
        done = subprocess.run(
            [sys.executable, "-m", "jobyard", *words], env={**environment, "COLUMNS": "200", **more},
            cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, timeout=30, check=False,
        )  # fmt: skip
        os.close(theirs)
        reader.join(10)
        os.close(ours)
        return done.returncode, b"".join(got).decode()

    return call


def _drain(terminal: int, into: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 65536):
            into.append(data)
    except OSError:  # the other side was closed
        return


def test_a_terminal_gets_a_table_with_headings_and_colours(on_a_terminal, tes):
    tes.tasks = {"a": [{"state": "RUNNING", "name": NAME}]}
    code, text = on_a_terminal("list")
    assert code == 0
    assert "ID" in text
    assert "\x1b[36mRUNNING" in text
    assert r"[red]na\x1b[31mme[/red]" in text


def test_a_terminal_for_errors_alone_gets_the_progress_and_the_pipe_gets_the_result(
    environment, tes, tmp_path
):
    tes.tasks = {"a": [{"state": "QUEUED"}, {"state": "RUNNING"}, {"state": "COMPLETE"}]}
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "jobyard", "wait", "a"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=theirs, text=True, timeout=30, check=False,
    )  # fmt: skip
    os.close(theirs)
    assert done.stdout == "a\tCOMPLETE\n"
    assert b"0 of 1 ended" in os.read(ours, 65536)
    os.close(ours)


def test_no_color_is_honoured(on_a_terminal, tes):
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    _, text = on_a_terminal("list", NO_COLOR="1")
    assert "\x1b[36m" not in text
    assert "RUNNING" in text


def test_a_pipe_gets_plain_lines(program, tes):
    tes.tasks = {"a": [{"state": "RUNNING", "name": NAME}]}
    done = program("list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\tRUNNING\t[red]na\\x1b[31mme[/red]\t\n", "")


def test_people_see_the_task_and_its_states_while_it_runs(on_a_terminal, tes):
    log = {"logs": [{"exit_code": 4, "stdout": "text\x1b]0;title\x07\n"}]}
    tes.becomes = [{"state": "QUEUED"}, {"state": "RUNNING"}, {"state": "EXECUTOR_ERROR", "logs": [log]}]
    code, text = on_a_terminal("run", "--", "true")
    assert code == 4
    assert "task task-1" in text
    assert "task-1 RUNNING" in text
    assert r"text\x1b]0;title\x07" in text


def test_pipes_get_the_output_of_a_task_unchanged_and_nothing_else(program, tes):
    log = {"logs": [{"exit_code": 0, "stdout": "a\x1b[1mb", "stderr": "c"}]}
    tes.becomes = [{"state": "QUEUED"}, {"state": "COMPLETE", "logs": [log]}]
    done = program("run", "--", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\x1b[1mb", "c")


def test_output_that_is_no_proper_text_is_still_shown(program, tes):
    tes.tasks = {"a": [{"state": "COMPLETE", "logs": [{"logs": [{"exit_code": 0, "stdout": "\ud800 x"}]}]}]}
    assert program("logs", "a").stdout == "\\ud800 x"


def test_an_error_is_one_line_without_a_traceback(program):
    done = program("get", "nothing")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "jobyard: no task nothing\n")


def test_debugging_shows_where_an_error_came_from(program):
    assert "Traceback" in program("get", "nothing", JOBYARD_DEBUG="1").stderr


def test_a_wrong_command_line_is_one_line_that_names_the_help(program):
    done = program("list", "--stat", "RUNNING")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "`jobyard list --help`" in done.stderr


def test_a_reader_that_has_enough_is_no_error(environment, tes, tmp_path):
    tes.tasks = {f"t{number}": [{"state": "QUEUED", "name": "x" * 200}] for number in range(400)}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "jobyard", "list", "--all"], env=environment, cwd=tmp_path, stdout=writing,
        stderr=subprocess.PIPE, text=True, timeout=30, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""


def test_states_are_completed_by_the_shell(program):
    words = {"_JOBYARD_COMPLETE": "complete_bash", "COMP_WORDS": "jobyard list --state E", "COMP_CWORD": "3"}
    assert program(**words).stdout.split() == ["EXECUTOR_ERROR"]


def test_the_version_is_told(program):
    assert program("--version").stdout.startswith("jobyard 0.")


def test_help_lists_the_commands(program):
    assert "submit" in program().stdout


@pytest.mark.parametrize(
    "text,shown",
    [
        ("plain ü 漢 🙂", "plain ü 漢 🙂"),
        ("a\r\nb", "a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("over\rwrite", r"over\x0dwrite"),
        ("\x9b1m \x00", r"\x9b1m \x00"),
        ("\u202ecod.exe", r"\u202ecod.exe"),
    ],
)
def test_everything_that_acts_on_a_terminal_is_written_out(text, shown):
    assert visible(text) == shown


def test_one_line_is_one_line():
    assert one_line("a\nb\tc\u2028d") == r"a\nb\tc\u2028d"
