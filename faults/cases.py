"""Tasks of every kind, each with what its commands decide. Pure: a random number generator goes in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

Body = dict[str, Any]  # a task as JSON

COMPLETE = "COMPLETE"
FAILED = "EXECUTOR_ERROR"
ERRORED = "SYSTEM_ERROR"
CANCELED = "CANCELED"
TERMINAL = frozenset({COMPLETE, FAILED, ERRORED, CANCELED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One task to send, and what must come of it."""

    token: str
    """Names the task in all that it leaves."""
    kind: str
    body: Body
    state: str
    exit_codes: tuple[int | None, ...]
    """Of the executors that run, in order; None where the executor is killed."""
    stdout: str | None = None
    """Of the first executor; None is not looked at."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What it leaves beneath the file root, by name."""
    cancel_after: float | None = None
    """Seconds from the acknowledgement; None is no cancel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What cases are made with."""

    random: Random
    root: Path
    """Where tasks may read and write files."""
    mark: str
    """In the environment of all that belongs to this campaign."""
    say: str
    """Bash: report that this executor runs."""

    def case(self, number: int) -> Case:
        """Cases of all kinds in turn."""
        kinds = list(KINDS)
        kind = kinds[number % len(kinds)]
        return replace(KINDS[kind](self, f"t{number:05}"), kind=kind)

    def body(self, token: str, *scripts: str, **more: Any) -> Body:
        executors = [
            {
                "image": "none",
                "command": ["bash", "-c", self.say + script],
                "env": {"TOKEN": token, "INDEX": str(index), "FAULTS": self.mark},
            }
            for index, script in enumerate(scripts)
        ]
        return {"name": token, "tags": {"token": token}, "executors": executors, **more}

    def url(self, name: str) -> str:
        return (self.root / name).as_uri()


def _success(make: Maker, token: str) -> Case:
    body = make.body(token, f"echo {token}")
    return _case(token, body, COMPLETE, 0, stdout=f"{token}\n")


def _exit_code(make: Maker, token: str) -> Case:
    code = make.random.randint(1, 98)
    return _case(token, make.body(token, f"exit {code}", "echo never"), FAILED, code)


def _ignored_error(make: Maker, token: str) -> Case:
    code = make.random.randint(1, 98)
    body = make.body(token, f"exit {code}", "true")
    body["executors"][0]["ignore_error"] = True
    return _case(token, body, COMPLETE, code, 0)


def _several(make: Maker, token: str) -> Case:
    count = make.random.randint(2, 4)
    body = make.body(token, *(f"echo $INDEX >> /work/{token}" for _ in range(count)), f"cat /work/{token}")
    body["volumes"] = ["/work"]
    body["outputs"] = [{"path": f"/work/{token}", "url": make.url(f"{token}.steps")}]
    steps = "".join(f"{index}\n" for index in range(count))
    return _case(token, body, COMPLETE, *[0] * (count + 1), files={f"{token}.steps": steps.encode()})


def _redirected(make: Maker, token: str) -> Case:
    body = make.body(token, f"echo {token}; sleep {make.random.random() / 4:.3f}; echo end")
    body["executors"][0]["stdout"] = "/said/out"
    body["outputs"] = [{"path": "/said/out", "url": make.url(f"{token}/out")}]
    text = f"{token}\nend\n"
    return _case(token, body, COMPLETE, 0, stdout=text, files={f"{token}/out": text.encode()})


def _content(make: Maker, token: str) -> Case:
    body = make.body(token, "cat /in/text", inputs=[{"path": "/in/text", "content": f"of {token}"}])
    return _case(token, body, COMPLETE, 0, stdout=f"of {token}")


SOURCE = "input"
"""Name, beneath the root, of the file that tasks read."""
SOURCE_BYTES = bytes(range(256)) * 1024


def _files(make: Maker, token: str) -> Case:
    body = make.body(
        token,
        "cp /in/file /out/file",
        inputs=[{"path": "/in/file", "url": make.url(SOURCE)}],
        outputs=[{"path": "/out/file", "url": make.url(f"{token}/deep/file")}],
    )
    return _case(token, body, COMPLETE, 0, files={f"{token}/deep/file": SOURCE_BYTES})


def _wildcard(make: Maker, token: str) -> Case:
    body = make.body(
        token,
        "for name in a.txt b.txt c.bin; do echo $name > /out/$name; done",
        outputs=[{"path": "/out/*.txt", "path_prefix": "/out", "url": make.url(token)}],
    )
    files = {f"{token}/{name}": f"{name}\n".encode() for name in ("a.txt", "b.txt")}
    return _case(token, body, COMPLETE, 0, files=files)


def _missing_output(make: Maker, token: str) -> Case:
    body = make.body(token, "true", outputs=[{"path": "/out/none", "url": make.url(f"{token}.none")}])
    return _case(token, body, ERRORED, 0)


def _too_long(make: Maker, token: str) -> Case:
    limit = {"timeout_seconds": f"{make.random.uniform(0.3, 1):.3f}"}
    body = make.body(token, "sleep 600", "echo never", resources={"backend_parameters": limit})
    return _case(token, body, FAILED, None)


def _waiting(make: Maker, token: str) -> Case:
    body = make.body(token, f"sleep {make.random.uniform(0.1, 2):.3f}; echo {token}", "true")
    return _case(token, body, COMPLETE, 0, 0, stdout=f"{token}\n")


def _canceled(make: Maker, token: str) -> Case:
    """Ends by itself, unless the cancel is first."""
    case = _waiting(make, token)
    case.body["outputs"] = [{"path": "/in/text", "url": make.url(f"{token}.text")}]
    case.body["inputs"] = [{"path": "/in/text", "content": token}]
    files = {f"{token}.text": token.encode()}
    return replace(case, cancel_after=make.random.uniform(0, 1.5), files=files)


def _canceled_for_sure(make: Maker, token: str) -> Case:
    body = make.body(token, "sleep 600")
    return _case(token, body, CANCELED, None, cancel_after=make.random.uniform(0, 1.5))


def _case(token: str, body: Body, state: str, *exit_codes: int | None, **more: Any) -> Case:
    return Case(token=token, kind="", body=body, state=state, exit_codes=exit_codes, **more)


KINDS: Mapping[str, Callable[[Maker, str], Case]] = {
    "success": _success,
    "exit code": _exit_code,
    "ignored error": _ignored_error,
    "several executors": _several,
    "redirected stdout": _redirected,
    "content input": _content,
    "input and output file": _files,
    "wildcard output": _wildcard,
    "missing output": _missing_output,
    "time limit": _too_long,
    "waiting": _waiting,
    "cancel": _canceled,
    "cancel of an endless one": _canceled_for_sure,
}
