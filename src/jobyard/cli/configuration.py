"""Gathers the settings: options over environment over file over defaults; and says where each came from."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from jobyard.domain.errors import Invalid, Problem
from jobyard.settings import Section, Settings

PREFIX = "JOBYARD_"
CONFIG = "JOBYARD_CONFIG"
"""Names the file; not a setting itself."""
DEFAULT_FILE = Path("jobyard.toml")
DEFAULT = "default"
"""Where a value comes from that nobody has set."""


class Given(NamedTuple):
    value: object
    source: str
    """`jobyard.toml:3`, an environment variable, an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    settings: Settings
    file: Path | None
    sources: Mapping[str, str]
    """Of the keys that somebody has set; the others have their defaults."""


def sections() -> dict[str, type[Section]]:
    """The sections of the configuration by name, in order."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def fields() -> dict[str, FieldInfo]:
    """Every setting by its key, `section.name`, in order."""
    return {
        f"{section}.{name}": field
        for section, model in sections().items()
        for name, field in model.model_fields.items()
    }


def variable(key: str) -> str:
    """The environment variable of a key."""
    return PREFIX + key.replace(".", "__").upper()


def load(config: Path | None = None, *, listen: str | None = None, data: Path | None = None) -> Loaded:
    """What the commands run with, the environment and the working directory being those of the process.

    Raises `Invalid` with every problem found.
    """
    options = {
        "server.listen": Given(listen, "--listen"),
        "server.data": Given(data, "--data"),
    }
    given = {key: option for key, option in options.items() if option.value is not None}
    return gather(find_file(config, os.environ), os.environ, given)


def find_file(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The option's file, the variable's, or the one in the working directory if there is one."""
    if config is not None:
        return config
    if named := environ.get(CONFIG):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def gather(file: Path | None, environ: Mapping[str, str], options: Mapping[str, Given]) -> Loaded:
    """Raises `Invalid` with every problem found."""
    problems: list[Problem] = []
    layers = [_from_file(file, problems) if file else {}, _from_environment(environ, problems), options]
    given = {key: value for layer in layers for key, value in layer.items()}
    try:
        settings = Settings.model_validate(_nested(given))
    except ValidationError as error:
        problems.extend(_problems(error, given))
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Invalid(f"the configuration cannot be used: {count}", problems)
    return Loaded(settings=settings, file=file, sources={key: value.source for key, value in given.items()})


def _nested(given: Mapping[str, Given]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {}
    for key, (value, _) in given.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    return nested


def _from_file(file: Path, problems: list[Problem]) -> dict[str, Given]:
    try:
        text = file.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.append(Problem(str(file), f"cannot be read as TOML: {reason}"))
        return {}
    given: dict[str, Given] = {}
    for section, table in tables.items():
        if section not in sections():
            place = _place(file, text, section)
            problems.append(Problem(place, f"[{section}] is unknown{_nearest(section, sections())}"))
        elif not isinstance(table, dict):
            problems.append(Problem(_place(file, text, section), f"{section} should be a table: [{section}]"))
        else:
            for name, value in table.items():
                place = _place(file, text, section, name)
                given |= _known(f"{section}.{name}", Given(value, place), problems)
    return given


def _known(key: str, given: Given, problems: list[Problem]) -> dict[str, Given]:
    if key in fields():
        return {key: given}
    section, _, name = key.partition(".")
    elsewhere = {known.partition(".")[2]: known for known in fields()}
    near = _nearest(name, sections()[section].model_fields)
    if not near and name in elsewhere:
        near = f"; did you mean {elsewhere[name]}?"
    problems.append(Problem(given.source, f"{name} in [{section}] is unknown{near}"))
    return {}


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _place(file: Path, text: str, section: str, name: str | None = None) -> str:
    """`FILE:LINE` of a section, or of a key that stands on a line of its own in it; else `FILE`. For people:
    the parser of the standard library does not tell.
    """
    key = re.compile(rf"\s*[\"']?{re.escape(name or '')}[\"']?\s*=")
    at = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([^\]]*?)\s*\]", line)
        at = header[1] if header else at
        if at == section and (key.match(line) if name else header):
            return f"{file}:{number}"
    return str(file)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Given]:
    """Variables that are empty count as not set."""
    keys = {variable(key): key for key in fields()}
    flattened = {name.replace("__", "_"): name for name in keys}
    given: dict[str, Given] = {}
    for name, value in environ.items():
        if name in keys and value:
            given |= _parsed(keys[name], Given(value, name), problems)
        elif name in keys or not name.startswith(PREFIX):
            continue
        elif name in flattened:
            problems.append(Problem(name, f"is unknown; did you mean {flattened[name]} (two underscores)?"))
        elif "__" in name:
            problems.append(Problem(name, f"is unknown{_nearest(name, keys)}"))
    return given


def _parsed(key: str, given: Given, problems: list[Problem]) -> dict[str, Given]:
    """Lists are JSON; everything else is understood as text."""
    if get_origin(fields()[key].annotation) is not tuple:
        return {key: given}
    try:
        return {key: Given(json.loads(str(given.value)), given.source)}
    except ValueError:
        problems.append(Problem(given.source, 'should be a JSON list, such as ["/data", "/scratch"]'))
        return {}


_WORDS = {
    "Input should": "should",
    "Extra inputs are not permitted": "is unknown",
    "a valid tuple": "a list",
}
_LONGEST_VALUE = 80  # characters shown


def _problems(error: ValidationError, given: Mapping[str, Given]) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"][:2])
        message = detail["msg"].removeprefix("Value error, ")
        for theirs, ours in _WORDS.items():
            message = message.replace(theirs, ours)
        inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"][2:])
        if key in given and (inside or isinstance(given[key].value, dict)):
            # What stands in tables is not shown: it may be a secret in the wrong place.
            yield Problem(given[key].source, f"{key}{inside} {message}")
        elif key in given:
            shown = str(detail["input"])[:_LONGEST_VALUE]
            yield Problem(given[key].source, f"{key} = {shown} {message}")
        else:
            involved = [value.source for name, value in given.items() if name in message]
            yield Problem(", ".join(involved) or key, message)
