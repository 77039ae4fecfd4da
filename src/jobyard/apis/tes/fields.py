"""Typed reading of JSON objects, liberal in what it takes (contract 1.9).

A reader never stops at a fault: it notes where and what, answers an empty value, and goes on. So all that is
wrong with a request is told at once.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from jobyard.domain.errors import Invalid, Problem

MAX_NOTES = 50
_MAX_SHOWN = 100

_CAMEL = re.compile(r"_([a-z])")
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?")
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}


class Notes:
    """What was found out while reading one document."""

    __slots__ = ("problems", "strict", "warnings")

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        """An unknown field is a problem, not a warning."""
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def problem(self, loc: str, msg: str) -> None:
        if len(self.problems) < MAX_NOTES:
            self.problems.append(Problem(loc, msg))

    def warn(self, line: str) -> None:
        if len(self.warnings) < MAX_NOTES:
            self.warnings.append(line)

    def refuse(self) -> None:
        """Raises `Invalid` if there are problems."""
        if not self.problems:
            return
        first = self.problems[0]
        more = len(self.problems) - 1
        message = f"{first.loc}: {first.msg}" if first.loc else first.msg
        raise Invalid(f"{message} (and {more} more)" if more else message, self.problems)


def shown(name: str) -> str:
    """A name from outside, fit for a line of text."""
    name = name[:_MAX_SHOWN]
    return name if name.isprintable() else ascii(name)[1:-1]


def names(*canonical: str) -> Mapping[str, str]:
    """Field names, and their camelCase spellings, to the standard's names."""
    camel = {_CAMEL.sub(lambda found: found[1].upper(), name): name for name in canonical}
    return camel | {name: name for name in canonical}


class Limits(NamedTuple):
    """Of a map from strings to strings."""

    entries: int
    key: int  # characters
    value: int  # characters


class Record:
    """One JSON object of the document, with its place in it. Null is absent everywhere."""

    __slots__ = ("_notes", "_values", "loc")

    def __init__(self, value: object, loc: str, known: Mapping[str, str], notes: Notes) -> None:
        self.loc = loc
        self._notes = notes
        if type(value) is not dict:
            notes.problem(loc, "must be an object")
            value = {}
            self._notes = Notes(strict=False)  # what is then missing is no further news
        self._values: dict[str, object] = (
            value if value.keys() <= known.keys() else self._without_unknown(value, known)
        )
        for spelling in self._values.keys() - known.values():
            self._values.setdefault(known[spelling], self._values[spelling])

    def _without_unknown(self, value: dict[str, object], known: Mapping[str, str]) -> dict[str, object]:
        for key in value:
            if key in known:
                continue
            if self._notes.strict:
                self.problem(shown(key), f"unknown field {self.at(shown(key))}")
            else:
                self._notes.warn(f"unknown field {self.at(shown(key))} was ignored")
        return {key: item for key, item in value.items() if key in known}

    def at(self, key: str) -> str:
        return f"{self.loc}.{key}" if self.loc and key else self.loc or key

    def problem(self, key: str, msg: str) -> None:
        self._notes.problem(self.at(key), msg)

    def get(self, key: str) -> object:
        return self._values.get(key)

    def text(self, key: str, *, limit: int, fault: Callable[[str], str | None] | None = None) -> str | None:
        """A string of at most `limit` characters in which `fault` finds nothing wrong. "" is absent."""
        value = self._values.get(key)
        if value is None or value == "":
            return None
        if type(value) is not str:
            self.problem(key, "must be a string")
            return None
        if len(value) > limit:
            self.problem(key, f"is longer than {limit} characters")
        elif fault and (wrong := fault(value)):
            self.problem(key, wrong)
        return value

    def required(self, key: str, *, limit: int, fault: Callable[[str], str | None] | None = None) -> str:
        value = self.text(key, limit=limit, fault=fault)
        if value is None and self._values.get(key) in (None, ""):
            self.problem(key, "required")
        return value or ""

    def flag(self, key: str) -> bool | None:
        value = self._values.get(key)
        if value is None or type(value) is bool:
            return value
        flag = _FLAGS.get(value.lower()) if type(value) is str else None
        if flag is None:
            self.problem(key, "must be true or false")
        return flag

    def number(self, key: str, *, largest: float) -> float | None:
        """A number from 0 to `largest`, perhaps in a string."""
        value = self._values.get(key)
        if value is None or value == "":
            return None
        number = as_number(value)
        if number is None:
            self.problem(key, "must be a number")
        elif number < 0:
            self.problem(key, "must not be negative")
        elif number > largest:
            self.problem(key, f"must not be larger than {largest:g}")
        else:
            return number
        return None

    def items(self, key: str, *, limit: int) -> list[object]:
        """The items of a list; none when it is absent."""
        value = self._values.get(key)
        if value is None:
            return []
        if type(value) is not list:
            self.problem(key, "must be a list")
            return []
        if len(value) > limit:
            self.problem(key, f"too many items: {len(value)}, and the limit is {limit}")
            return []
        return value

    def string_map(
        self, key: str, limits: Limits, fault: Callable[[str, str], str | None] | None = None
    ) -> dict[str, str] | None:
        """A map of strings. Numbers and flags become strings; entries that are null are dropped."""
        value = self._values.get(key)
        if value is None:
            return None
        if type(value) is not dict:
            self.problem(key, "must be a map of strings")
            return None
        if len(value) > limits.entries:
            self.problem(key, f"too many entries: {len(value)}, and the limit is {limits.entries}")
            return None
        found: dict[str, str] = {}
        for name, item in value.items():
            if item is None:
                continue
            text = item if type(item) is str else _as_text(item)
            wrong = _entry_fault(name, text, limits) or (fault(name, text or "") if fault else None)
            if wrong:
                self.problem(f"{key}.{shown(name)}", wrong)
            else:
                found[name] = text or ""
        return found


def as_number(value: object) -> float | None:
    """Of a JSON number, or a string that holds one."""
    if type(value) is int or type(value) is float:
        return value
    if type(value) is str and _NUMBER.fullmatch(value.strip()):
        number = float(value)
        return int(number) if number.is_integer() else number
    return None


def _as_text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return None


def _entry_fault(key: str, text: str | None, limits: Limits) -> str | None:
    if text is None:
        return "must be a string"
    if not key:
        return "the key is empty"
    if len(key) > limits.key:
        return f"the key is longer than {limits.key} characters"
    if len(text) > limits.value:
        return f"is longer than {limits.value} characters"
    return None
