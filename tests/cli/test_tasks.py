"""`list`, `get`, `logs`, `wait` and `cancel`, against a scripted TES server."""

import json

import pytest


def test_list_prints_a_line_for_each_task_with_tabs_between_the_fields(jobyard, tes):
    tes.tasks = {
        "a": [{"state": "RUNNING", "name": "first", "creation_time": "2026-01-01T00:00:00Z"}],
        "b": [{"state": "COMPLETE"}],
    }
    result = jobyard("list")
    assert result.stdout == "a\tRUNNING\tfirst\t2026-01-01T00:00:00Z\nb\tCOMPLETE\t\t\n"
    assert result.exit_code == 0


def test_list_passes_its_filters_on(jobyard, tes):
    jobyard(
        "list", "--state", "running", "--name-prefix", "x", "--tag", "a", "--tag", "b=c=d", "--limit", "7"
    )
    query = tes.requests[0].args
    assert (query["state"], query["name_prefix"], query["page_size"]) == ("RUNNING", "x", "8")
    assert query.getlist("tag_key") == ["a", "b"]
    assert query.getlist("tag_value") == ["", "c=d"]


@pytest.mark.parametrize("tags", [["=v"], ["k=1", "k=2"]])
def test_list_refuses_tags_that_can_match_nothing(jobyard, tes, tags):
    result = jobyard("list", *(word for tag in tags for word in ("--tag", tag)))
    assert (result.exit_code, tes.requests) == (1, [])


def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(jobyard):
    result = jobyard("list", env={"JOBYARD_TOKEN": "secret\nsecret"})
    assert result.exit_code == 1
    assert "JOBYARD_TOKEN" in result.stderr
    assert "secret" not in result.stderr


def test_list_stops_at_its_limit_and_says_so_only_to_people(jobyard, tes):
    tes.tasks = {f"t{number}": [{"state": "QUEUED"}] for number in range(5)}
    result = jobyard("list", "--limit", "3")
    assert result.stdout.split() == ["t0", "QUEUED", "t1", "QUEUED", "t2", "QUEUED"]
    assert result.stderr == ""


def test_list_all_goes_through_every_page(jobyard, tes):
    tes.tasks = {f"t{number}": [{"state": "QUEUED"}] for number in range(1100)}
    result = jobyard("list", "--all")
    assert len(result.stdout.splitlines()) == 1100
    assert [request.args.get("page_token") for request in tes.requests] == [None, "512", "1024"]


def test_list_json_is_one_document_with_what_the_server_sent(jobyard, tes):
    tes.tasks = {"a": [{"state": "RUNNING", "extra": {"kept": True}}]}
    result = jobyard("list", "--json", "--view", "full")
    assert json.loads(result.stdout) == {"tasks": [{"id": "a", "state": "RUNNING", "extra": {"kept": True}}]}
    assert tes.requests[0].args["view"] == "FULL"


@pytest.mark.parametrize("word", ["\x1b[2J", "a\nb\tc", "\u202eabc", "\x9b31m"])
def test_a_name_cannot_act_on_the_output_of_list(jobyard, tes, word):
    tes.tasks = {"a": [{"state": "RUNNING", "name": word}]}
    name = jobyard("list").stdout.split("\t")[2]
    assert name.isprintable()
    assert "\\" in name


def test_get_summarises_a_task_for_people(jobyard, tes):
    log = {
        "logs": [{"exit_code": 3, "stdout": "hidden here"}],
        "system_logs": ["slow disk"],
        "outputs": [{"url": "file:///o", "path": "/o", "size_bytes": "12"}],
    }
    tes.tasks = {
        "a": [
            {
                "state": "EXECUTOR_ERROR",
                "tags": {"k": "v", "none": None},
                "executors": [{"image": "alpine", "command": ["echo", "a b"]}],
                "resources": {"cpu_cores": 2, "ram_gb": 0.5},
                "inputs": [{"path": "/in", "url": "s3://b/k"}],
                "logs": [log],
            }
        ]
    }
    text = jobyard("get", "a").stdout
    for words in [
        "EXECUTOR_ERROR", "k=v", "echo 'a b'  (in alpine)", "2 CPU, 0.5 GB of memory", "/in from s3://b/k",
        "exit code 3", "/o at file:///o (12 bytes)", "slow disk",
    ]:  # fmt: skip
        assert words in text
    assert "hidden here" not in text


def test_get_json_is_the_document_and_an_array_for_several(jobyard, tes):
    tes.tasks = {"a": [{"state": "RUNNING"}], "b": [{"state": "QUEUED"}]}
    assert json.loads(jobyard("get", "--json", "a").stdout) == {"id": "a", "state": "RUNNING"}
    assert [task["id"] for task in json.loads(jobyard("get", "--json", "a", "b").stdout)] == ["a", "b"]


def test_an_unknown_task_is_one_line_in_the_words_of_the_server(jobyard):
    result = jobyard("get", "nothing")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "jobyard: no task nothing\n", 1)


def test_logs_prints_each_stream_to_its_own(jobyard, tes):
    commands = [{"exit_code": 0, "stdout": "one\n", "stderr": "bad\n"}, {"exit_code": 0, "stdout": "two\n"}]
    tes.tasks = {"a": [{"state": "COMPLETE", "logs": [{"logs": commands}]}]}
    result = jobyard("logs", "a")
    assert (result.stdout, result.stderr) == ("one\ntwo\n", "bad\n")
    assert tes.requests[0].args["view"] == "FULL"
    assert jobyard("logs", "a", "--stderr").output == "bad\n"
    assert jobyard("logs", "a", "--stdout").output == "one\ntwo\n"


def test_logs_shows_the_live_output_of_a_command_that_runs(jobyard, tes):
    live = {"executor.0.stdout": "so far\n", "other": "x"}
    tes.tasks = {"a": [{"state": "RUNNING", "logs": [{"logs": [], "metadata": live}]}]}
    assert jobyard("logs", "a").stdout == "so far\n"


def test_following_logs_prints_everything_once_until_the_task_ends(jobyard, tes):
    def running(text):
        return {"state": "RUNNING", "logs": [{"logs": [], "metadata": {"executor.0.stdout": text}}]}

    ended = {"state": "COMPLETE", "logs": [{"logs": [{"exit_code": 0, "stdout": "3\n4\n5\n"}]}]}
    tes.tasks = {
        "a": [{"state": "QUEUED"}, running("1\n2\n"), running("1\n2\n3\n"), running("2\n3\n4\n"), ended]
    }
    result = jobyard("logs", "-f", "a")
    assert result.stdout == "1\n2\n3\n4\n5\n"


def test_wait_prints_each_end_and_succeeds_only_if_all_are_complete(jobyard, tes):
    tes.tasks = {"a": [{"state": "QUEUED"}, {"state": "RUNNING"}, {"state": "COMPLETE"}]}
    result = jobyard("wait", "a", "a")
    assert (result.output, result.exit_code) == ("a\tCOMPLETE\n", 0)
    tes.tasks["b"] = [{"state": "RUNNING"}, {"state": "SYSTEM_ERROR"}]
    result = jobyard("wait", "b", "a")
    assert (sorted(result.output.splitlines()), result.exit_code) == (["a\tCOMPLETE", "b\tSYSTEM_ERROR"], 1)


def test_nobody_waits_for_ever_for_a_state_that_the_standard_does_not_have(jobyard, tes):
    tes.tasks = {"a": [{"state": "RUNNING"}, {"state": "FAILED"}]}
    result = jobyard("wait", "a")
    assert (result.output, result.exit_code) == ("a\tFAILED\n", 1)


def test_cancel_goes_on_after_an_unknown_task(jobyard, tes):
    tes.tasks = {"a": [{"state": "RUNNING"}]}
    result = jobyard("cancel", "nothing", "a")
    assert (result.stdout, result.stderr) == ("a\n", "jobyard: no task nothing\n")
    assert result.exit_code == 1
    assert tes.canceled == ["a"]
