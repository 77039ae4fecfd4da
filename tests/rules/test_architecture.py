"""What the house rules say of sizes and places."""

import ast
from pathlib import Path

import pytest

import jobyard
from jobyard.domain import errors

SOURCE = Path(jobyard.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 40
FOLDERS_WITHOUT_PACKAGE = {"migrations", "versions"}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in MODULES if path.parent.name not in FOLDERS_WITHOUT_PACKAGE}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_a_package_loads_nothing_when_it_is_imported(path) -> None:
    module = parsed(path)
    assert ast.get_docstring(module)
    assert len(module.body) == 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_have_a_size_to_read(path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES_OF_A_MODULE
    long = {
        node.name: count
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := code_lines(node)) > MOST_LINES_OF_A_FUNCTION
    }
    if name_of(path).startswith("stores/sql/migrations/versions/"):
        return  # tables of data
    assert long == {}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the signature to the end that hold code, the docstring's not counted."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    parts = [function.args, *([function.returns] if function.returns else []), *body]
    nodes = [node for part in parts for node in ast.walk(part) if hasattr(node, "lineno")]
    ends = {line for node in nodes for line in (node.lineno, node.end_lineno)}
    return len(ends | {function.lineno})


def test_all_errors_that_callers_may_see_are_in_one_module() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    elsewhere = [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and name_of(path) != "domain/errors.py"
        for base in node.bases
        if (base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")) in kinds - {"Problem"}
    ]
    assert elsewhere == []
