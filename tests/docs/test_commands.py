"""What the pages tell people to type works, and prints what they say it prints.

Blocks of a page in `sh` and `python` are typed into one shell, in order; one that cannot be has a comment
`<!-- not run: why -->` above it. A block in `text` right below shows lines of what is printed, with `…` where
they may differ.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DEADLINE = 100  # seconds for a page

_BLOCK = re.compile(
    r"^(?P<reason><!-- not run: .+ -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_ANY = "…"


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    runs: bool


def blocks(page: Path) -> list[Block]:
    return [
        Block(
            language=match["language"],
            text=match["text"],
            runs=match["language"] in {"sh", "python"} and match["reason"] is None,
        )
        for match in _BLOCK.finditer(page.read_text())
    ]


def expected(page: Path) -> list[str]:
    """The lines that a page shows below what is run; `…` stands for anything."""
    found = blocks(page)
    shown = [after for before, after in pairwise(found) if before.runs]
    return [line for block in shown if block.language == "text" for line in block.text.splitlines() if line]


def missing(lines: Sequence[str], output: str) -> list[str]:
    """Those of the lines that the output does not have."""
    there = [line.rstrip() for line in output.splitlines()]
    patterns = {line: ".*".join(map(re.escape, line.split(_ANY))) for line in lines}
    return [line for line, regex in patterns.items() if not any(re.fullmatch(regex, it) for it in there)]


@dataclass
class Reader:
    """Somebody with a home of their own, who types the blocks of a page into one shell."""

    home: Path
    directory: Path
    address: str = "127.0.0.1:8080"
    environment: dict[str, str] = field(default_factory=dict)

    def types(self, text: str) -> str:
        """What it prints. All that it started has ended after that, but for jobs."""
        output = self.home / "output"
        with output.open("w") as file:
            shell = subprocess.Popen(
                ["bash", "-eu", "-o", "pipefail", "-c", text.replace("127.0.0.1:8080", self.address)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.variables(),
                start_new_session=True,
            )
            try:
                code = shell.wait(DEADLINE)
            finally:
                end_group(shell.pid)
                shell.wait()
        printed = output.read_text()
        assert code == 0, f"exit code {code}\n{printed}"
        return printed

    def reads(self, page: Path) -> str:
        """Types all blocks of the page that run, in order; what they print."""
        return self.types("\n".join(_shell(block) for block in blocks(page) if block.runs))

    def variables(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("JOBYARD_", "MAKE"))
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return kept | {"HOME": str(self.home), "PATH": path} | self.environment


def _shell(block: Block) -> str:
    return (
        block.text if block.language == "sh" else f"python3 - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON\n"
    )


def end_group(leader: int) -> None:
    """End a process group, and wait until it is gone."""
    deadline = time.monotonic() + 60
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            with suppress(ChildProcessError):
                os.waitpid(leader, os.WNOHANG)
            time.sleep(0.02)  # there is nothing to wait on for processes that are not ours
        os.killpg(leader, signal.SIGKILL)


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def configuration() -> str:
    """The block of the tutorial that makes the configuration all pages use."""
    return next(block.text for block in blocks(DOCS / "tutorial.md") if "jobyard.toml <<" in block.text)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader whose server runs, as the tutorial has it configured."""
    reader = Reader(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work"))
    reader.types(configuration())
    with (reader.home / "serve.log").open("w") as log:
        server = subprocess.Popen(
            ["jobyard", "serve", "--config", reader.home / "jobyard/jobyard.toml", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            env=reader.variables(),
            text=True,
            start_new_session=True,
        )
    assert server.stdout is not None
    with server.stdout as lines:
        first = lines.readline()
        try:
            reader.address = first.removeprefix("listening on http://").strip()
            reader.environment["JOBYARD_SERVER"] = f"http://{reader.address}"
            yield reader
        finally:
            end_group(server.pid)
            server.wait()


OWN_SERVER = ("tutorial.md", "howto/service.md")
"""Pages that start a server themselves."""

PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if any(block.runs for block in blocks(page)) and str(page.relative_to(DOCS)) not in OWN_SERVER
)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_for_its_reader(name: str, served: Reader) -> None:
    output = served.reads(DOCS / name)
    assert not missing(expected(DOCS / name), output), output


@pytest.mark.parametrize("name", OWN_SERVER)
def test_a_page_that_starts_a_server_works_for_its_reader(
    name: str, tmp_path: Path, free_address: str
) -> None:
    reader = Reader(tmp_path, tmp_path / "work", free_address)
    reader.environment |= {
        "JOBYARD_SERVER__LISTEN": free_address,
        "JOBYARD_SERVER": f"http://{free_address}",
    }
    shutil.copytree(ROOT / "examples", reader.directory / "examples")
    if name != "tutorial.md":
        reader.types(configuration())
    output = reader.reads(DOCS / name)
    lines = [line.replace("127.0.0.1:8080", free_address) for line in expected(DOCS / name)]
    assert not missing(lines, output), output


def test_the_quick_start_of_the_readme_works(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    demo, *session = [block for block in blocks(readme) if block.runs]
    assert demo.text == "make demo\n"
    with demo_running(tmp_path) as (address, shown):
        reader = Reader(tmp_path, ROOT)
        text = "\n".join(block.text for block in session)
        output = reader.types(re.sub(r"(?<=http://)127\.0\.0\.1:\d+", address, text))
    assert not missing(expected(readme), shown + output), shown + output


@contextmanager
def demo_running(home: Path) -> Iterator[tuple[str, str]]:
    """`make demo`, once it is up: where it listens, and what it printed."""
    variables = Reader(home, ROOT).variables()
    # The environment that the tests run in is made already; making it anew is not what is tested here.
    words = ["make", "--assume-old=.venv/.synced", "demo"]
    demo = subprocess.Popen(
        words, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert demo.stdout is not None
    with demo.stdout:
        shown = ""
        try:
            while "Ctrl-C stops it" not in shown:
                line = demo.stdout.readline()
                assert line, shown
                shown += line
            address = re.search(r"ready after .* at http://(\S+)", shown)
            assert address is not None, shown
            yield address[1], shown
        finally:
            end_group(demo.pid)
            demo.wait()
            if directory := re.search(r"Starting a server in (\S+)", shown):
                shutil.rmtree(directory[1])
