"""Patterns of paths as in IEEE Std 1003.1-2017, 2.13. Pure but for the listing of names that is passed in.

Matched part by part: `*` and `?` never match a `/`, and a leading dot must stand in the pattern.
"""

import re
from collections.abc import Callable, Sequence

_SPECIAL = re.compile(r"[*?\[\\]")
_CLASSES = {
    "alnum": r"a-zA-Z0-9",
    "alpha": r"a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": r"0-9",
    "graph": r"\x21-\x7e",
    "lower": r"a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": r"A-Z",
    "xdigit": r"0-9A-Fa-f",
}
_BRACKET = re.compile(r"\[([!^]?)(\]?(?:\[:[a-z]+:\]|\\.|[^\]])*)\]", re.DOTALL)
_MEMBER = re.compile(r"\[:([a-z]+):\]|\\(.)|(.)", re.DOTALL)

Names = Callable[[str], Sequence[str]]
"""Names in a directory, given by its path; none where it is no directory."""


def expand(pattern: str, names: Names) -> list[str]:
    """Paths that an absolute pattern matches, sorted within each directory."""
    found = [""]
    parts = [part for part in pattern.split("/") if part]
    for part in parts:
        if not _SPECIAL.search(part):
            found = [f"{path}/{part}" for path in found]
            continue
        regex = part_regex(part)
        found = [f"{path}/{name}" for path in found for name in names(path or "/") if regex.fullmatch(name)]
    return found


def part_regex(part: str) -> re.Pattern[str]:
    """What one part of a path must match."""
    pieces = [] if part.startswith((".", "\\.")) else [r"(?!\.)"]
    at = 0
    while at < len(part):
        piece, at = _piece(part, at)
        pieces.append(piece)
    return re.compile("".join(pieces), re.DOTALL)


def _piece(part: str, at: int) -> tuple[str, int]:
    """The next element as a regular expression, and where the one after begins."""
    match part[at]:
        case "*":
            return ".*", at + 1
        case "?":
            return ".", at + 1
        case "\\" if at + 1 < len(part):
            return re.escape(part[at + 1]), at + 2
        case "[" if bracket := _BRACKET.match(part, at):
            return _set(bracket.group(1), bracket.group(2)), bracket.end()
        case char:
            return re.escape(char), at + 1


def _set(negated: str, members: str) -> str:
    """A bracket expression. One that could match nothing, like `[z-a]`, matches nothing."""
    body = "".join(_member(match) for match in _MEMBER.finditer(members))
    text = f"[{'^' if negated else ''}{body}]"
    try:
        re.compile(text)
    except re.error:
        return r"(?!)"
    return text


def _member(match: re.Match[str]) -> str:
    name, escaped, char = match.groups()
    if name:
        return _CLASSES.get(name, "")
    if escaped:
        return re.escape(escaped)
    return "-" if char == "-" else re.escape(char)
