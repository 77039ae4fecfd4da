"""What log lines look like."""

import io
import json
import logging

import pytest
import structlog

from jobyard.telemetry import configure_logging


@pytest.fixture
def stream():
    """Where the log goes; the loggers are as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_what_was_bound_around_it(stream):
    configure_logging("json", "info", stream=stream)
    log = structlog.stdlib.get_logger("some.where")
    with structlog.contextvars.bound_contextvars(job="j1"):
        log.info("started", attempt=2)
    log.info("idle")
    first, second = lines(stream)
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "started", "level": "info", "logger": "some.where", "job": "j1", "attempt": 2}
    assert "job" not in second


def test_loggers_of_libraries_look_the_same(stream):
    configure_logging("json", "info", stream=stream)
    logging.getLogger("granian").warning("port %s", 80)
    assert [(line["event"], line["level"], line["logger"]) for line in lines(stream)] == [
        ("port 80", "warning", "granian")
    ]


def test_lines_below_the_level_are_left_out(stream):
    configure_logging("json", "warning", stream=stream)
    structlog.stdlib.get_logger("a").info("quiet")
    assert stream.getvalue() == ""


def test_an_exception_stays_on_the_line_of_its_message(stream):
    configure_logging("json", "info", stream=stream)
    try:
        raise ValueError("a\nb")  # noqa: TRY301 - to be caught here
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    (line,) = lines(stream)
    assert "ValueError: a\nb" in line["exception"]


def test_auto_is_json_where_there_is_no_terminal_and_console_has_no_colours_there(stream):
    configure_logging("auto", "info", stream=stream)
    structlog.stdlib.get_logger("a").info("hello")
    assert lines(stream)[0]["event"] == "hello"
    stream.truncate(0)
    configure_logging("console", "info", stream=stream)
    structlog.stdlib.get_logger("a").info("hello", job="j1")
    assert "hello" in stream.getvalue()
    assert "job=j1" in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()
