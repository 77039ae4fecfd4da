"""The architecture page tells the layers that the import contracts enforce."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

_ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", re.MULTILINE)


def layers() -> list[list[str]]:
    """From the top, each with its rooms."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    layered = next(contract for contract in contracts if contract["type"] == "layers")
    return [layer.split(" | ") for layer in layered["layers"]]


def described() -> dict[tuple[str, ...], str]:
    """The rows of the page's table of layers, in order."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.partition("## Rooms and layers")[2].partition("\n## ")[0]
    return {tuple(re.findall(r"`(\w+)`", rooms)): text for rooms, text in _ROW.findall(section)}


def test_the_page_has_the_layers_of_the_contract_in_order() -> None:
    assert [list(rooms) for rooms in described()] == layers()


def test_the_page_says_something_of_each_layer() -> None:
    assert all(len(text.split()) > 1 for text in described().values())


def test_each_room_is_there() -> None:
    package = ROOT / "src/jobyard"
    missing = [
        room
        for layer in layers()
        for room in layer
        if not (package / room / "__init__.py").exists() and not (package / f"{room}.py").exists()
    ]
    assert not missing
