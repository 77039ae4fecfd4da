"""Task documents from options."""

from pathlib import Path

import pytest

from jobyard.cli.documents import TaskOptions, as_url, compose
from jobyard.domain.errors import Invalid


def test_what_was_not_asked_for_is_not_in_the_document():
    assert compose(TaskOptions(), ["echo", "a b"]) == {
        "name": "echo 'a b'",
        "executors": [{"image": "alpine", "command": ["echo", "a b"]}],
    }


def test_inputs_may_be_urls_local_files_and_directories(tmp_path):
    file = tmp_path / "a file"
    file.write_text("x")
    options = TaskOptions(
        input=["/in/a=s3://bucket/k=v", f"/in/b={file}", f"/in/c={tmp_path}", "/in/d=s3://b/d/"]
    )
    assert compose(options, ["true"])["inputs"] == [
        {"path": "/in/a", "url": "s3://bucket/k=v", "type": "FILE"},
        {"path": "/in/b", "url": f"file://{tmp_path}/a%20file", "type": "FILE"},
        {"path": "/in/c", "url": f"file://{tmp_path}", "type": "DIRECTORY"},
        {"path": "/in/d", "url": "s3://b/d/", "type": "DIRECTORY"},
    ]


def test_a_relative_path_becomes_an_absolute_url(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert as_url("a/b/") == f"file://{tmp_path}/a/b/"


def test_outputs_with_wildcards_say_which_part_of_the_path_to_cut():
    options = TaskOptions(output=["/out/run/*.txt=s3://b/r/", "/out/dir/=s3://b/d/", "/out/a=s3://b/a"])
    assert compose(options, ["true"])["outputs"] == [
        {"path": "/out/run/*.txt", "url": "s3://b/r/", "type": "FILE", "path_prefix": "/out/run"},
        {"path": "/out/dir", "url": "s3://b/d/", "type": "DIRECTORY"},
        {"path": "/out/a", "url": "s3://b/a", "type": "FILE"},
    ]


def test_streams_are_files_of_the_job():
    document = compose(TaskOptions(stdin="s3://b/i", stdout="s3://b/o", stderr="s3://b/e"), ["sort"])
    assert document["executors"] == [
        {
            "image": "alpine",
            "command": ["sort"],
            "stdin": "/inputs/stdin",
            "stdout": "/outputs/stdout",
            "stderr": "/outputs/stderr",
        }
    ]
    assert document["inputs"] == [{"path": "/inputs/stdin", "url": "s3://b/i", "type": "FILE"}]
    assert document["outputs"] == [
        {"path": "/outputs/stdout", "url": "s3://b/o", "type": "FILE"},
        {"path": "/outputs/stderr", "url": "s3://b/e", "type": "FILE"},
    ]


def test_content_is_sent_along(tmp_path):
    script = tmp_path / "script.sh"
    script.write_text("echo é\n", encoding="utf-8")
    document = compose(TaskOptions(content=[f"/s.sh={script}"]), ["sh", "/s.sh"])
    assert document["inputs"] == [{"path": "/s.sh", "content": "echo é\n", "type": "FILE"}]


@pytest.mark.parametrize(
    "options, words",
    [
        (TaskOptions(tag=["novalue"]), "--tag novalue should have the form KEY=VALUE"),
        (TaskOptions(env=["A=1", "A=2"]), "--env A is given twice"),
        (TaskOptions(content=["/a=/dev/null"]), "is empty"),
    ],
)
def test_options_that_make_no_task_are_refused(options, words):
    with pytest.raises(Invalid, match=words):
        compose(options, ["true"])


def test_content_that_is_not_text_is_refused(tmp_path: Path):
    binary = tmp_path / "b"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="not UTF-8"):
        compose(TaskOptions(content=[f"/b={binary}"]), ["true"])
