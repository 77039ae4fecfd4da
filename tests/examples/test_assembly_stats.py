"""The example is what people copy, so its numbers must be right: checked as a task runs it, as a program."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

FOUR_CONTIGS = ">a\nACGTACGT\nACGT\n>b some words\nacgn\n\n>c\r\nGGGG\r\n>d\nAT\n"  # lengths 12, 4, 4, 2


def run(script: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    program = EXAMPLES / "assembly-stats" / script
    return subprocess.run(
        [sys.executable, program, *arguments], capture_output=True, text=True, check=False, timeout=30
    )


def stats_of(path: Path) -> dict[str, float | None]:
    done = run("stats.py", path)
    assert done.returncode == 0, done.stderr
    stats: dict[str, float | None] = json.loads(done.stdout)
    return stats


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "four.fna"
    path.write_bytes(FOUR_CONTIGS.encode())
    return path


def test_counts_lengths_n50_gc_and_ambiguous_bases_of_a_small_assembly(fasta: Path) -> None:
    assert stats_of(fasta) == {
        "contigs": 4,
        "total_length": 22,
        "longest": 12,
        "n50": 12,
        "gc_percent": round(100 * 12 / 21, 2),  # 6 in a, 2 in b, 4 in c; the n is left out
        "ambiguous_bases": 1,
    }


def test_n50_is_the_contig_at_which_half_of_all_bases_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "even.fna"
    path.write_text("".join(f">{n}\n{'A' * n}\n" for n in (2, 3, 4, 5, 6)))  # 20 bases: 6 + 5 passes 10
    assert stats_of(path)["n50"] == 5


def test_gzip_is_recognised_by_content_and_not_by_name(fasta: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.fna"
    packed.write_bytes(gzip.compress(FOUR_CONTIGS.encode()))
    assert stats_of(packed) == stats_of(fasta)


def test_gc_of_an_assembly_without_known_bases_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "n.fna"
    path.write_text(">n\nNNNN\n")
    assert stats_of(path)["gc_percent"] is None


def test_the_result_is_printed_and_written_alike(fasta: Path, tmp_path: Path) -> None:
    written = tmp_path / "stats.json"
    printed = run("stats.py", fasta, "--output", written).stdout
    assert written.read_text() == printed


@pytest.mark.parametrize("content", ["", "ACGT\n", "x\n>a\nACGT\n"])
def test_what_is_not_fasta_is_refused_with_the_name_of_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.txt"
    path.write_text(content)
    done = run("stats.py", path)
    assert done.returncode != 0
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_named_without_a_traceback(tmp_path: Path) -> None:
    done = run("stats.py", tmp_path / "nowhere.fna")
    assert done.returncode != 0
    assert "nowhere.fna" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_table_has_a_line_for_each_statistic(fasta: Path, tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    run("stats.py", fasta, "--output", stats)
    lines = run("table.py", stats).stdout.splitlines()
    assert len(lines) == len(stats_of(fasta))
    assert lines[0].split() == ["Sequences", "4"]
    assert len({len(line) for line in lines}) == 1


def test_the_tasks_name_only_files_that_are_there() -> None:
    task = json.loads(
        (EXAMPLES / "assembly-stats" / "task.json").read_text().replace("@EXAMPLES@", str(EXAMPLES))
    )
    for given in task["inputs"]:
        assert Path(given["url"].removeprefix("file://")).is_file()
