"""What a task may look like, and what is said about one that cannot work (contract tes 1.7, 1.9, 7.3)."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.apis.tes.options import TesOptions
from jobyard.apis.tes.reading import MAX_CONTENT, read_draft
from jobyard.domain.errors import Invalid
from jobyard.domain.files import FileType
from jobyard.domain.resources import Request

OPTIONS = TesOptions()
STRICT = TesOptions(reject_unknown_fields=True)
LIMITED = TesOptions(max_cpu_cores=8, max_ram_gb=512, max_disk_gb=100)
EXECUTOR = {"image": "alpine", "command": ["echo", "hello"]}
TASK = {"executors": [EXECUTOR]}
FILE = {"url": "s3://b/in", "path": "/data/in"}
OUT = {"url": "s3://b/out", "path": "/data/out"}


def read(task, options=OPTIONS):
    return read_draft(json.dumps(task).encode(), options)


def refused(task, options=OPTIONS):
    with pytest.raises(Invalid) as caught:
        read(task, options)
    return {problem.loc: problem.msg for problem in caught.value.problems}


def executor(**fields):
    return {"executors": [{**EXECUTOR, **fields}]}


def resources(**fields):
    return {**TASK, "resources": fields}


@pytest.mark.parametrize(
    "body, message",
    [
        (b"", "request body is empty"),
        (b" \n", "request body is empty"),
        (b"\xef\xbb\xbf", "request body is empty"),
        (b'{"executors": [', "invalid JSON at line 1 column 16: it ends too early"),
        (b'{"a":1,\n "b": x}', "invalid JSON at line 2 column 7: invalid character"),
        (b"{} {}", "invalid JSON at line 1 column 4: trailing characters"),
        (b'{"a":\nNaN}', "invalid JSON at line 2 column 1: invalid character"),
        (b'{"a": Infinity}', "invalid JSON at line 1 column 7: invalid character"),
        (b'{"a": 1e999}', "invalid JSON: number out of range"),
        (b'{\n"a": "\xff"}', "invalid JSON at line 2 column 7: not UTF-8"),
        (b"[]", "task must be an object"),
        (b'"x"', "task must be an object"),
        (b"null", "task must be an object"),
        (b"[" * 5000, "the document is nested deeper than 32 levels"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "the document is nested deeper than 32 levels"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_its_place(body, message) -> None:
    with pytest.raises(Invalid) as caught:
        read_draft(body, OPTIONS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "task, loc, msg",
    [
        ({}, "executors", "at least one executor is required"),
        ({"executors": None}, "executors", "at least one executor is required"),
        ({"executors": []}, "executors", "at least one executor is required"),
        ({"executors": {}}, "executors", "must be a list"),
        ({"executors": "x"}, "executors", "must be a list"),
        ({"executors": [EXECUTOR] * 1001}, "executors", "too many items: 1001, and the limit is 1000"),
        ({"executors": [None]}, "executors[0]", "must be an object"),
        ({"executors": [EXECUTOR, 5]}, "executors[1]", "must be an object"),
        ({"executors": [{"command": ["a"]}]}, "executors[0].image", "required"),
        (executor(image=None), "executors[0].image", "required"),
        (executor(image=""), "executors[0].image", "required"),
        (executor(image="  "), "executors[0].image", "required"),
        (executor(image=5), "executors[0].image", "must be a string"),
        (executor(image="a b"), "executors[0].image", "must not contain whitespace or control characters"),
        (executor(image="a\0"), "executors[0].image", "must not contain whitespace or control characters"),
        (executor(image="a" * 1025), "executors[0].image", "is longer than 1024 characters"),
        (
            {"executors": [{"image": "a"}]},
            "executors[0].command",
            "required: a list of strings, the program first",
        ),
        (executor(command=None), "executors[0].command", "required: a list of strings, the program first"),
        (executor(command=[]), "executors[0].command", "required: a list of strings, the program first"),
        (
            executor(command="echo hello"),
            "executors[0].command",
            'must be a list of strings, such as ["echo", "hello"]',
        ),
        (executor(command={"a": 1}), "executors[0].command", "must be a list"),
        (executor(command=["a", None]), "executors[0].command[1]", "must be a string"),
        (executor(command=["a", 5]), "executors[0].command[1]", "must be a string"),
        (executor(command=["a\0"]), "executors[0].command[0]", "must not contain NUL"),
        (
            executor(command=["a" * 131072]),
            "executors[0].command[0]",
            "is 131072 bytes, and the limit is 131071",
        ),
        (executor(env=[]), "executors[0].env", "must be a map of strings"),
        (executor(env={"": "x"}), "executors[0].env.", "the key is empty"),
        (executor(env={"A=B": "x"}), "executors[0].env.A=B", "the key must not contain = or NUL"),
        (executor(env={"A\0": "x"}), "executors[0].env.A\\x00", "the key must not contain = or NUL"),
        (executor(env={"A": "x\0"}), "executors[0].env.A", "must not contain NUL"),
        (executor(env={"A": {}}), "executors[0].env.A", "must be a string"),
        (executor(ignore_error="maybe"), "executors[0].ignore_error", "must be true or false"),
        (executor(ignore_error=1), "executors[0].ignore_error", "must be true or false"),
    ],
)
def test_a_fault_of_an_executor_is_named(task, loc, msg) -> None:
    assert refused(task) == {loc: msg}


@pytest.mark.parametrize("field", ["workdir", "stdin", "stdout", "stderr"])
@pytest.mark.parametrize(
    "value, msg",
    [
        ("data", "must be an absolute path"),
        ("/a/../b", "must be an absolute path without .."),
        ("/a/..", "must be an absolute path without .."),
        ("/a\0b", "must be an absolute path without NUL"),
        (5, "must be a string"),
        ("/" + "a" * 4096, "is longer than 4096 characters"),
    ],
)
def test_a_path_of_an_executor_is_absolute_and_plain(field, value, msg) -> None:
    assert refused(executor(**{field: value})) == {f"executors[0].{field}": msg}


@pytest.mark.parametrize("field", ["workdir", "stdin", "stdout", "stderr"])
def test_an_empty_path_of_an_executor_is_absent(field) -> None:
    command = read(executor(**{field: ""})).work.commands[0]
    assert getattr(command, field) is None


@pytest.mark.parametrize(
    "item, loc, msg",
    [
        (None, "inputs[0]", "must be an object"),
        ({"path": "/a"}, "inputs[0]", "url or content is required"),
        ({"path": "/a", "content": ""}, "inputs[0]", "url or content is required"),
        ({"path": "/a", "url": "", "content": None}, "inputs[0]", "url or content is required"),
        ({"url": "s3://b/k"}, "inputs[0].path", "required"),
        ({"url": "s3://b/k", "path": None}, "inputs[0].path", "required"),
        ({"url": "s3://b/k", "path": "a"}, "inputs[0].path", "must be an absolute path"),
        ({"url": "s3://b/k", "path": "/"}, "inputs[0].path", "must be an absolute path below /"),
        ({"url": "s3://b/k", "path": "//."}, "inputs[0].path", "must be an absolute path below /"),
        ({"url": "s3://b/k", "path": "/a/../b"}, "inputs[0].path", "must be an absolute path without .."),
        ({"url": "s3://b/k", "path": "/a\0"}, "inputs[0].path", "must be an absolute path without NUL"),
        (
            {"url": "s3://b/k", "path": "//proc/self"},
            "inputs[0].path",
            "is below /proc, /sys or /dev, which are reserved",
        ),
        (
            {"path": "/a", "content": "x", "type": "DIRECTORY"},
            "inputs[0].content",
            "content is only for FILE",
        ),
        (
            {"path": "/a", "content": "x" * (MAX_CONTENT + 1)},
            "inputs[0].content",
            f"is longer than {MAX_CONTENT} characters",
        ),
        (
            {"path": "/a", "content": "é" * (MAX_CONTENT // 2 + 1)},
            "inputs[0].content",
            f"is {MAX_CONTENT + 2} bytes, and the limit is {MAX_CONTENT}",
        ),
        ({"path": "/a", "content": 5}, "inputs[0].content", "must be a string"),
        (
            {"path": "/a", "url": "data/in.txt"},
            "inputs[0].url",
            "must be a URL with a scheme, or an absolute path",
        ),
        ({"path": "/a", "url": "s3://b/\n"}, "inputs[0].url", "must not contain control characters"),
        ({"path": "/a", "url": "s3://" + "b" * 8192}, "inputs[0].url", "is longer than 8192 characters"),
        ({**FILE, "type": "LINK"}, "inputs[0].type", "must be FILE or DIRECTORY"),
        ({**FILE, "type": 1}, "inputs[0].type", "must be FILE or DIRECTORY"),
        ({**FILE, "streamable": "x"}, "inputs[0].streamable", "must be true or false"),
        ({**FILE, "name": "a\nb"}, "inputs[0].name", "must not contain control characters"),
    ],
)
def test_a_fault_of_an_input_is_named(item, loc, msg) -> None:
    assert refused({**TASK, "inputs": [item]}) == {loc: msg}


@pytest.mark.parametrize(
    "item, loc, msg",
    [
        ({"path": "/a"}, "outputs[0].url", "required"),
        ({"path": "/a", "url": ""}, "outputs[0].url", "required"),
        ({"url": "s3://b/k"}, "outputs[0].path", "required"),
        ({"url": "s3://b/k", "path": "a"}, "outputs[0].path", "must be an absolute path"),
        ({"url": "k", "path": "/a"}, "outputs[0].url", "must be a URL with a scheme, or an absolute path"),
        ({"url": "s3://b/*.txt", "path": "/a"}, "outputs[0].url", "must not contain wildcards"),
        ({"url": "/data/a?", "path": "/a"}, "outputs[0].url", "must not contain wildcards"),
        ({"url": "https://h/[ab]", "path": "/a"}, "outputs[0].url", "must not contain wildcards"),
        (
            {"url": "s3://b/", "path": "/out/*"},
            "outputs[0].path_prefix",
            "is required when path has wildcards",
        ),
        (
            {"url": "s3://b/", "path": "/out/*", "path_prefix": "/ou"},
            "outputs[0].path_prefix",
            "must be a leading directory of path, without wildcards",
        ),
        (
            {"url": "s3://b/", "path": "/out/*/b", "path_prefix": "/out/*"},
            "outputs[0].path_prefix",
            "must be a leading directory of path, without wildcards",
        ),
        (
            {"url": "s3://b/", "path": "/out/*", "path_prefix": "out"},
            "outputs[0].path_prefix",
            "must be an absolute path",
        ),
        ({**OUT, "type": "LINK"}, "outputs[0].type", "must be FILE or DIRECTORY"),
    ],
)
def test_a_fault_of_an_output_is_named(item, loc, msg) -> None:
    assert refused({**TASK, "outputs": [item]}) == {loc: msg}


@pytest.mark.parametrize(
    "fields, loc",
    [
        ({"inputs": [FILE, {**FILE, "path": "/data//in/"}]}, "inputs[1].path"),
        ({"inputs": [FILE, {**FILE, "path": "/data/in/x"}]}, "inputs[1].path"),
        ({"inputs": [{**FILE, "path": "/data/in/x"}, FILE]}, "inputs[0].path"),
        ({"inputs": [FILE], "outputs": [{**OUT, "path": "/data/in/x"}]}, "outputs[0].path"),
        ({"inputs": [FILE], "volumes": ["/data/in"]}, "volumes[0]"),
        ({"inputs": [FILE], "volumes": ["/data/in/x"]}, "volumes[0]"),
    ],
)
def test_paths_in_each_others_way_are_refused(fields, loc) -> None:
    problems = refused({**TASK, **fields})
    assert list(problems) == [loc]
    assert problems[loc].startswith("duplicate container path")


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": [FILE, {**FILE, "path": "/data/in2"}]},
        {"inputs": [{**FILE, "type": "DIRECTORY"}, {**FILE, "path": "/data/in/x"}]},
        {"inputs": [FILE], "outputs": [{**OUT, "path": "/data/in"}]},
        {"outputs": [OUT, OUT]},
        {"inputs": [FILE], "volumes": ["/data", "/data"]},
    ],
)
def test_paths_beside_each_other_are_accepted(fields) -> None:
    read({**TASK, **fields})


def test_inputs_and_outputs_together_have_a_limit() -> None:
    inputs = [{"url": "s3://b/k", "path": f"/in/{index}"} for index in range(6000)]
    outputs = [{"url": "s3://b/k", "path": f"/out/{index}"} for index in range(6000)]
    assert "too many items" in refused({**TASK, "inputs": inputs, "outputs": outputs})["inputs"]
    assert "too many items" in refused({**TASK, "inputs": inputs * 2})["inputs"]


@pytest.mark.parametrize(
    "fields, loc, msg",
    [
        ({"volumes": "x"}, "volumes", "must be a list"),
        ({"volumes": ["x"]}, "volumes[0]", "must be an absolute path"),
        ({"volumes": ["/"]}, "volumes[0]", "must be an absolute path below /"),
        ({"volumes": [""]}, "volumes[0]", "must be an absolute path"),
        ({"volumes": [None]}, "volumes[0]", "must be a string"),
        ({"volumes": ["/dev/shm"]}, "volumes[0]", "is below /proc, /sys or /dev, which are reserved"),
        ({"volumes": ["/sys"]}, "volumes[0]", "is below /proc, /sys or /dev, which are reserved"),
        ({"tags": []}, "tags", "must be a map of strings"),
        ({"tags": {"": "x"}}, "tags.", "the key is empty"),
        ({"tags": {"a": {}}}, "tags.a", "must be a string"),
        ({"tags": {"a": []}}, "tags.a", "must be a string"),
        ({"tags": {str(i): "" for i in range(101)}}, "tags", "too many entries: 101, and the limit is 100"),
        ({"tags": {"k" * 257: ""}}, "tags." + "k" * 100, "the key is longer than 256 characters"),
        ({"tags": {"k": "v" * 4097}}, "tags.k", "is longer than 4096 characters"),
        ({"name": "n" * 4097}, "name", "is longer than 4096 characters"),
        ({"name": "a\x07"}, "name", "must not contain control characters"),
        ({"name": 5}, "name", "must be a string"),
        ({"description": "d" * 65537}, "description", "is longer than 65536 characters"),
        ({"description": "a\x1b[0m"}, "description", "must not contain control characters"),
        ({"resources": []}, "resources", "must be an object"),
        ({"resources": "x"}, "resources", "must be an object"),
    ],
)
def test_a_fault_of_the_task_is_named(fields, loc, msg) -> None:
    assert refused({**TASK, **fields}) == {loc: msg}


@pytest.mark.parametrize(
    "fields, loc, msg",
    [
        ({"cpu_cores": -1}, "cpu_cores", "must not be negative"),
        ({"cpu_cores": 2**31}, "cpu_cores", "must not be larger than 2.14748e+09"),
        ({"cpu_cores": "four"}, "cpu_cores", "must be a number"),
        ({"cpu_cores": True}, "cpu_cores", "must be a number"),
        ({"cpu_cores": [1]}, "cpu_cores", "must be a number"),
        ({"ram_gb": -0.5}, "ram_gb", "must not be negative"),
        ({"ram_gb": "NaN"}, "ram_gb", "must be a number"),
        ({"ram_gb": "1e400"}, "ram_gb", "must not be larger than 1e+09"),
        ({"disk_gb": 1e10}, "disk_gb", "must not be larger than 1e+09"),
        ({"zones": 5}, "zones", "must be a list"),
        ({"zones": ["a", 5]}, "zones[1]", "must be a string"),
        ({"preemptible": "x"}, "preemptible", "must be true or false"),
        ({"backend_parameters": []}, "backend_parameters", "must be a map of strings"),
        ({"backend_parameters": {"a": {}}}, "backend_parameters.a", "must be a string"),
        (
            {"backend_parameters": {"k1": "a", "k2": "b", "retries": "1"}, "backend_parameters_strict": True},
            "backend_parameters",
            "backend parameters not supported: k1, k2",
        ),
        (
            {"backend_parameters": {"timeout_seconds": "soon"}},
            "backend_parameters.timeout_seconds",
            "must be a number from 0.001 to 315360000",
        ),
        (
            {"backend_parameters": {"timeout_seconds": 0}},
            "backend_parameters.timeout_seconds",
            "must be a number from 0.001 to 315360000",
        ),
        (
            {"backend_parameters": {"Retries": "1.5"}},
            "backend_parameters.retries",
            "must be a whole number, 0 or more",
        ),
        (
            {"backend_parameters": {"missing_outputs": "maybe"}},
            "backend_parameters.missing_outputs",
            "must be error or warn",
        ),
    ],
)
def test_a_fault_of_the_resources_is_named(fields, loc, msg) -> None:
    assert refused(resources(**fields)) == {f"resources.{loc}": msg}


@pytest.mark.parametrize(
    "fields, msg",
    [
        ({"ram_gb": 900}, "requested ram_gb 900 exceeds limit 512"),
        ({"disk_gb": 100.5}, "requested disk_gb 100.5 exceeds limit 100"),
        ({"cpu_cores": 9}, "requested cpu_cores 9 exceeds limit 8"),
    ],
)
def test_a_request_over_the_configured_maximum_is_refused(fields, msg) -> None:
    assert list(refused(resources(**fields), LIMITED).values()) == [msg]
    read(resources(**fields))


def test_all_problems_are_told_at_once_and_at_most_fifty() -> None:
    assert set(refused({"name": 1, "volumes": ["x"], "executors": [{}]})) == {
        "name",
        "volumes[0]",
        "executors[0].image",
        "executors[0].command",
    }
    assert len(refused({"executors": [{}] * 100})) == 50


def test_the_message_of_several_problems_is_one_line() -> None:
    with pytest.raises(Invalid, match=r"^executors\[0\]\.image: required \(and 1 more\)$"):
        read({"executors": [{}]})


def test_camel_case_strings_for_numbers_and_any_case_of_enums_are_understood() -> None:
    draft = read(
        {
            "executors": [{**EXECUTOR, "ignoreError": "True"}],
            "inputs": [{**FILE, "type": "directory"}],
            "outputs": [{"url": "s3://b/", "path": "/out/*", "pathPrefix": "/out", "type": "File"}],
            "resources": {
                "cpuCores": "4",
                "ramGb": "0.5",
                "diskGb": 1,
                "zones": "eu-1",
                "backendParameters": {"Timeout_Seconds": 60},
                "backendParametersStrict": True,
            },
        }
    )
    assert draft.work.commands[0].ignore_error is True
    assert draft.work.inputs[0].type is FileType.DIRECTORY
    assert draft.work.outputs[0].path_prefix == "/out"
    assert draft.work.outputs[0].type is FileType.FILE
    assert draft.work.resources == Request(
        cores=4,
        memory_gb=0.5,
        disk_gb=1,
        zones=("eu-1",),
        parameters={"Timeout_Seconds": "60"},
        parameters_strict=True,
    )
    assert draft.time_limit == timedelta(minutes=1)
    assert draft.warnings == []


def test_cores_are_whole_and_a_fraction_is_rounded_up_with_a_warning() -> None:
    assert read(resources(cpu_cores=4.0)).warnings == []
    draft = read(resources(cpu_cores=1.5))
    assert draft.work.resources == Request(cores=2)
    assert draft.warnings == ["cpu_cores 1.5 was rounded up to 2"]


def test_null_is_absent_everywhere() -> None:
    task = {
        **dict.fromkeys(("name", "description", "inputs", "outputs", "resources", "volumes")),
        "tags": {"parent_workflow_id": None, "kept": "x", "number": 5, "flag": True, "empty": ""},
        "executors": [{**EXECUTOR, "env": {"A": None}, "workdir": None, "ignore_error": None}],
    }
    draft = read(task)
    assert draft.tags == {"kept": "x", "number": "5", "flag": "true", "empty": ""}
    assert draft.work.commands[0].env == {}
    assert (draft.name, draft.work.inputs, draft.work.resources) == (None, (), None)
    parameters = {"a": None, "retries": None}
    assert read(resources(backend_parameters=parameters)).work.resources == Request(parameters={})


def test_what_only_the_server_sets_is_ignored() -> None:
    task = {**TASK, "id": "x", "state": "COMPLETE", "logs": [{}], "creation_time": 5, "creationTime": ""}
    assert read(task, STRICT).warnings == []


def test_unknown_fields_are_noted_or_refused_when_the_server_is_strict() -> None:
    task = {**executor(cmd="x"), "frobnicate": None}
    assert read(task).warnings == [
        "unknown field frobnicate was ignored",
        "unknown field executors[0].cmd was ignored",
    ]
    assert refused(task, STRICT) == {
        "frobnicate": "unknown field frobnicate",
        "executors[0].cmd": "unknown field executors[0].cmd",
    }


def test_unknown_backend_parameters_are_dropped_with_a_warning() -> None:
    draft = read(resources(backend_parameters={"VmSize": "x", "retries": 2}, backend_parameters_strict=False))
    assert draft.warnings == ["backend parameter VmSize is not supported and was dropped"]
    assert draft.work.resources == Request(parameters={"retries": "2"}, parameters_strict=False)
    only_unknown = read(resources(backend_parameters={"VmSize": "x"}))
    assert only_unknown.work.resources == Request()
    assert read(resources(backend_parameters_strict=True)).work.resources == Request(parameters_strict=True)


def test_known_backend_parameters_take_effect() -> None:
    parameters = {"timeout_seconds": "1.5", "retries": "200", "MISSING_OUTPUTS": "Warn"}
    draft = read(resources(backend_parameters=parameters, backend_parameters_strict=True))
    assert draft.time_limit == timedelta(seconds=1.5)
    assert draft.max_attempts == 100
    assert draft.work.missing_outputs_ok is True
    assert draft.warnings == ["retries 200 was lowered to 99"]
    assert read(resources(backend_parameters={"retries": 0})).max_attempts == 1
    assert read(TASK).max_attempts is None


def test_missing_outputs_follow_the_task_then_the_server() -> None:
    lenient = TesOptions(missing_outputs_ok=True)
    assert read(TASK, lenient).work.missing_outputs_ok is True
    asked = resources(backend_parameters={"missing_outputs": "error"})
    assert read(asked, lenient).work.missing_outputs_ok is False
    assert read(TASK).work.missing_outputs_ok is False


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/key", "/data/in.txt", "file:///data/in.txt", "ftp://u:p@h/x", "drs:abc", "x-y+z.1://q"],
)
def test_any_scheme_is_accepted_unless_the_server_refuses_it(url) -> None:
    task = {**TASK, "inputs": [{"url": url, "path": "/in"}], "outputs": [{"url": url, "path": "/out"}]}
    assert read(task).work.inputs[0].url == url
    only_files = TesOptions(supported_schemes=frozenset({"file"}))
    if url.startswith(("/", "file:")):
        read(task, only_files)
    else:
        assert set(refused(task, only_files)) == {"inputs[0].url", "outputs[0].url"}


def test_a_signed_link_is_a_fine_output_url() -> None:
    read({**TASK, "outputs": [{"url": "https://[::1]:9000/b/k?sig=*", "path": "/out"}]})


def test_content_wins_over_a_url_which_is_kept() -> None:
    item = read({**TASK, "inputs": [{"path": "/a", "content": "x", "url": "nonsense"}]}).work.inputs[0]
    assert (item.content, item.url) == ("x", "nonsense")


@pytest.mark.parametrize("size", [131072, MAX_CONTENT])
def test_content_up_to_the_limit_is_accepted(size) -> None:
    item = read({**TASK, "inputs": [{"path": "/a", "content": "x" * size}]}).work.inputs[0]
    assert item.content is not None
    assert len(item.content) == size


def test_text_may_have_any_script_and_a_description_lines() -> None:
    draft = read({**TASK, "name": "naïve 基因 🧬", "description": "one\n\ttwo\r\n"})
    assert draft.name == "naïve 基因 🧬"


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_draft(b"\xef\xbb\xbf" + json.dumps(TASK).encode(), OPTIONS).work.commands


@given(st.binary(max_size=60))
def test_bytes_that_are_no_task_are_refused_with_a_reason(body) -> None:
    with pytest.raises(Invalid, match=r"."):
        read_draft(body, OPTIONS)
