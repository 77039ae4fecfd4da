"""The JSON of stats.py as a table for people: python3 table.py stats.json > summary.txt"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

LABELS = {
    "contigs": "Sequences",
    "total_length": "Total length (bp)",
    "longest": "Longest (bp)",
    "n50": "N50 (bp)",
    "gc_percent": "GC (%)",
    "ambiguous_bases": "Ambiguous bases",
}


def table(statistics: Mapping[str, float | None]) -> str:
    rows = [(label, _number(statistics[key])) for key, label in LABELS.items()]
    left = max(len(label) for label, _ in rows)
    right = max(len(value) for _, value in rows)
    return "\n".join(f"{label:<{left}}  {value:>{right}}" for label, value in rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def main() -> None:
    print(table(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
