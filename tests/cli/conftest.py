"""A TES server that plays a script, and the ways to call the command line."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner, Result
from werkzeug import Request, Response

from jobyard.cli.main import app

Doc = dict[str, object]


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@dataclass(kw_only=True)
class ScriptedTes:
    """Tasks are lists of documents: each GET takes the next one, and the last one stays."""

    url: str
    base: str = "/ga4gh/tes/v1"
    tasks: dict[str, list[Doc]] = field(default_factory=dict)
    created: list[Doc] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    becomes: list[Doc] = field(default_factory=lambda: [{"state": "COMPLETE"}])
    """The script of tasks made by a POST."""
    failing: list[Response] = field(default_factory=list)
    """Answers given first, whatever is asked."""
    refused: int = 0
    """The number of the POST that is refused."""
    polled: threading.Event = field(default_factory=threading.Event)
    """Set when somebody asks about a task."""

    def handle(self, request: Request) -> Response:
        self.requests.append(request)
        if self.failing:
            return self.failing.pop(0)
        path = request.path.removeprefix(self.base)
        if path == request.path and self.base:
            return Response("no such page", status=404)
        return self._route(request, path)

    def _route(self, request: Request, path: str) -> Response:
        if path == "/tasks":
            return self._create(request) if request.method == "POST" else self._list(request)
        id, _, verb = path.removeprefix("/tasks/").partition(":")
        if id not in self.tasks:
            return answer({"status": 404, "error": "not_found", "message": f"no task {id}"}, 404)
        if verb == "cancel":
            self.canceled.append(id)
            self.tasks[id] = [{"id": id, "state": "CANCELED"}]
            return answer({})
        self.polled.set()
        script = self.tasks[id]
        return answer({"id": id} | (script.pop(0) if len(script) > 1 else script[0]))

    def _create(self, request: Request) -> Response:
        self.created.append(json.loads(request.get_data()))
        if len(self.created) == self.refused:
            return answer({"message": "no more today"}, 409)
        id = f"task-{len(self.created)}"
        self.tasks[id] = list(self.becomes)
        return answer({"id": id})

    def _list(self, request: Request) -> Response:
        size, start = int(request.args["page_size"]), int(request.args.get("page_token", "0"))
        documents = [{"id": id} | script[-1] for id, script in self.tasks.items()][start : start + size]
        more = start + size < len(self.tasks)
        return answer({"tasks": documents} | ({"next_page_token": str(start + size)} if more else {}))


@pytest.fixture
def tes(httpserver: HTTPServer) -> ScriptedTes:
    server = ScriptedTes(url=httpserver.url_for(""))
    httpserver.expect_request(re.compile(".*")).respond_with_handler(server.handle)
    return server


@pytest.fixture
def environment(tes: ScriptedTes, tmp_path: Path) -> Mapping[str, str]:
    """Of a child process: nothing of ours but the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    return kept | {"JOBYARD_SERVER": tes.url, "HOME": str(tmp_path), "TERM": "xterm-256color"}


Call = Callable[..., Result]


@pytest.fixture
def jobyard(tes: ScriptedTes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command line in this process, in an empty directory."""
    for name in list(os.environ):
        if name.startswith("JOBYARD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*words: str, input: str | None = None, env: Mapping[str, str] | None = None) -> Result:
        variables = {"JOBYARD_SERVER": tes.url, **(env or {})}
        return CliRunner().invoke(app, words, input=input, env=variables)

    return call


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(environment: Mapping[str, str], tmp_path: Path) -> Program:
    """Runs it as a process of its own, between pipes."""

    def call(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "jobyard", *words],
            env={**environment, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return call
