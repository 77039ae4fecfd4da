"""Statistics of a genome assembly: how many sequences, how long, how fragmented, how much GC.

    python3 stats.py assembly.fna.gz [--output stats.json]

Reads FASTA, plain or gzip; prints JSON, and writes it to a file when asked. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

GZIP_MAGIC = b"\x1f\x8b"


def open_text(path: Path) -> TextIO:
    """The file as text, decompressed when its first bytes say that it is gzip."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    return gzip.open(path, "rt") if compressed else path.open()


def read_fasta(lines: Iterable[str]) -> Iterator[Counter[str]]:
    """How often each letter occurs (in upper case), sequence by sequence."""
    letters: Counter[str] | None = None
    for number, line in enumerate(lines, start=1):
        if line.startswith(">"):
            if letters is not None:
                yield letters
            letters = Counter()
        elif bases := line.strip().upper():
            if letters is None:
                raise ValueError(f"line {number}: a sequence without a header (a line that starts with '>')")
            letters.update(bases)
    if letters is None:
        raise ValueError("no sequences: this is not FASTA")
    yield letters


def n50(lengths: list[int]) -> int:
    """The length L such that sequences of at least L hold half of all bases."""
    seen = 0
    for length in sorted(lengths, reverse=True):
        seen += length
        if 2 * seen >= sum(lengths):
            return length
    return 0


def statistics(lines: Iterable[str]) -> dict[str, float | None]:
    """Raises `ValueError` for what is not FASTA."""
    sequences = list(read_fasta(lines))
    lengths = [sum(letters.values()) for letters in sequences]
    base = {letter: sum(letters[letter] for letters in sequences) for letter in "ACGT"}
    known = sum(base.values())  # an ambiguous base (N, R, Y, ...) is neither GC nor AT
    return {
        "contigs": len(lengths),
        "total_length": sum(lengths),
        "longest": max(lengths),
        "n50": n50(lengths),
        "gc_percent": round(100 * (base["G"] + base["C"]) / known, 2) if known else None,
        "ambiguous_bases": sum(lengths) - known,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Statistics of a genome assembly, as JSON")
    parser.add_argument("assembly", type=Path, help="a FASTA file, plain or gzip")
    parser.add_argument("--output", type=Path, help="write the result here, too")
    options = parser.parse_args()
    try:
        with open_text(options.assembly) as lines:
            result = json.dumps(statistics(lines), indent=2)
    except (OSError, ValueError, EOFError) as error:
        sys.exit(f"{options.assembly}: {error}")
    print(result)
    if options.output:
        options.output.write_text(result + "\n")


if __name__ == "__main__":
    main()
