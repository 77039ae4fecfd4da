"""The settings in words: for the example file, the reference page and `config show`. Pure functions."""

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal, TypeGuard, get_args, get_origin

from pydantic import HttpUrl
from pydantic.fields import FieldInfo

from jobyard.cli.configuration import sections, variable
from jobyard.settings import SecretRef, Section, Settings

_WIDTH = 100


def example() -> str:
    """A configuration file that changes nothing: every key with its meaning and its default, as comments."""
    lines = [
        "# Configuration of Jobyard. Every line that starts with #key = is the default: take the # away to",
        "# change it. Environment variables win over this file; each is named after its key.",
        '# Durations are seconds (90) or ISO 8601 ("PT1M30S"). GB are 10^9 bytes.',
    ]
    for section, model in sections().items():
        lines += ["", *_comment(inspect.getdoc(model) or ""), f"[{section}]"]
        for name, field in model.model_fields.items():
            key = f"{section}.{name}"
            lines += ["", *_comment(meaning(field)), *_comment(f"{kind(field)}; {variable(key)}")]
            value = default(key)
            for column, part in table(field).items():
                lines += _comment(f"{column}: {meaning(part)} ({kind(part)})")
            lines.append(f"#{name} = {value}" if value else f"#{name} =")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def meaning(field: FieldInfo) -> str:
    """The field's documentation, on one line."""
    return " ".join((field.description or "").split())


def kind(field: FieldInfo) -> str:
    """What a value may be."""
    words = " or ".join(_words(field.annotation))
    limits = [limit for constraint in field.metadata for limit in _limits(constraint)]
    return f"{words}, {' and '.join(limits)}" if limits else words


def _words(annotation: object) -> Iterator[str]:
    origin = get_origin(annotation)
    if isinstance(annotation, type) and annotation in _TYPES:
        yield _TYPES[annotation]
    elif annotation is SecretRef:
        yield '{ file = "…" } or { env = "…" }'
    elif origin is Literal:
        yield "one of " + ", ".join(json.dumps(choice) for choice in get_args(annotation))
    elif origin is tuple:
        item = get_args(annotation)[0]
        yield "list of tables" if _is_section(item) else f"list of {' or '.join(_words(item))}s"
    elif origin is Annotated:
        yield from _words(get_args(annotation)[0])
    else:
        for option in get_args(annotation):
            yield from _words(option)


def _is_section(annotation: object) -> TypeGuard[type[Section]]:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def table(field: FieldInfo) -> Mapping[str, FieldInfo]:
    """The keys of each table in a list of them; none for other settings."""
    item = next(iter(get_args(field.annotation)), None)
    return item.model_fields if _is_section(item) else {}


_TYPES: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    timedelta: "duration",
    HttpUrl: "http or https URL",
    NoneType: "not set",
}


def _limits(constraint: object) -> Iterator[str]:
    for attribute, words in (("gt", "more than"), ("ge", "at least"), ("le", "at most")):
        limit = getattr(constraint, attribute, None)
        if limit is not None and limit != timedelta(0):
            yield f"{words} {limit}"


def default(key: str) -> str | None:
    """The default of a key as TOML has it; None where there is none."""
    return value_of(Settings(), key)


def value_of(settings: Settings, key: str) -> str | None:
    """The value of a key as TOML has it; None where it is not set."""
    value = plain_value(settings, key)
    return None if value is None else json.dumps(value, ensure_ascii=False)  # TOML writes these the same way


def plain_value(settings: Settings, key: str) -> object:
    """The value of a key as JSON has it: durations in ISO 8601."""
    section, _, name = key.partition(".")
    values: dict[str, dict[str, object]] = settings.model_dump(mode="json", exclude_none=True)
    return values[section].get(name)


def reference() -> str:
    """`docs/reference/settings.md`."""
    lines = [_HEAD]
    for section, model in sections().items():
        lines += [f"## [{section}]", "", inspect.getdoc(model) or "", ""]
        for name, field in model.model_fields.items():
            key = f"{section}.{name}"
            value = default(key)
            parts = table(field)
            lines += [
                f"### {key}",
                "",
                meaning(field),
                "",
                f"- {kind(field)}",
                f"- default: {f'`{value}`' if value else 'not set'}",
                f"- environment: `{variable(key)}`",
                *(
                    f"- `{name}` in each table ({kind(part)}): {meaning(part)}"
                    for name, part in parts.items()
                ),
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


_HEAD = """\
<!-- Made by `make docs-reference` from src/jobyard/settings.py: change it there. -->

# Settings

Jobyard reads one TOML file: the one that `--config` names, else the one that `JOBYARD_CONFIG` names, else
`jobyard.toml` in the working directory if there is one. `jobyard config example` prints one with every key,
`jobyard config check` looks for mistakes, and `jobyard config show` tells which value comes from where.

A command line option wins over an environment variable, a variable over the file, the file over the default.
Each key is also a variable, named `JOBYARD_<SECTION>__<KEY>`, with two underscores between section and key.
An empty variable counts as not set; a list is written as JSON: `JOBYARD_FILES__ROOTS='["/data"]'`.
Keys and variables that are not listed here are refused.

Durations are a number of seconds (`90`, `0.5`) or a text in ISO 8601 (`"PT1M30S"`, `"P1D"`). A GB is 10^9
bytes. In paths, `~` at the start is the home directory.
"""
