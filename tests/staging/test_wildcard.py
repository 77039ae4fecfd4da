import pytest

from jobyard.staging.wildcard import expand, part_regex


@pytest.mark.parametrize(
    "pattern, matches, others",
    [
        ("*", ["a", "a.b", "é"], [".a", ""][:1]),
        ("*.txt", ["a.txt", "a.b.txt"], [".txt", "a.txt~", "atxt"]),
        ("a*b*c", ["abc", "axxbxxc"], ["ab", "xabc"]),
        ("?", ["a", "€"], ["ab", "."]),
        (".*", [".a", "..a"], ["a"]),
        ("\\.x", [".x"], ["ax"]),
        ("[abc]x", ["ax", "cx"], ["dx", "x"]),
        ("[a-c]x", ["bx"], ["dx", "-x"]),
        ("[!a-c]x", ["dx"], ["ax", ".x"]),
        ("[^a-c]x", ["dx"], ["ax"]),
        ("[]]x", ["]x"], ["x"]),
        ("[!]]x", ["ax"], ["]x"]),
        ("[a-]x", ["ax", "-x"], ["bx"]),
        ("[[:digit:]]x", ["1x"], ["ax"]),
        ("[[:upper:]_]x", ["Ax", "_x"], ["ax"]),
        ("[.]x", [], [".x"]),
        ("[z-a]x", [], ["zx", "ax", "-x"]),
        ("[", ["["], ["a"]),
        ("[ab", ["[ab"], ["a"]),
        ("a\\*", ["a*"], ["ab"]),
        ("a+(b)$^{c}|.", ["a+(b)$^{c}|."], ["a"]),
        ("a\\", ["a\\"], ["a"]),
        ("{a,b}", ["{a,b}"], ["a"]),
    ],
)
def test_a_part_matches_as_the_standard_says(pattern: str, matches: list[str], others: list[str]) -> None:
    regex = part_regex(pattern)
    assert [name for name in [*matches, *others] if regex.fullmatch(name)] == matches


TREE = {"/": ["d", "e", "f.txt"], "/d": ["a.txt", "b.csv", ".h.txt", "s"], "/d/s": ["a.txt"], "/e": ["a.txt"]}


@pytest.mark.parametrize(
    "pattern, paths",
    [
        ("/d/*.txt", ["/d/a.txt"]),
        ("/*/a.txt", ["/d/a.txt", "/e/a.txt", "/f.txt/a.txt"]),
        ("/*/*", ["/d/a.txt", "/d/b.csv", "/d/s", "/e/a.txt"]),
        ("/d/?/a*", ["/d/s/a.txt"]),
        ("/none/*", []),
        ("/d/*x*/y", ["/d/a.txt/y"]),
    ],
)
def test_wildcards_match_part_by_part(pattern: str, paths: list[str]) -> None:
    assert expand(pattern, lambda path: TREE.get(path, [])) == paths
