"""Secrets do not stand in the configuration, and nothing that prints it shows one."""

import json

import pytest

from jobyard.cli.configuration import gather
from jobyard.cli.settings_text import value_of
from jobyard.domain.errors import Invalid
from jobyard.settings import SecretRef, Settings

SECRET = "hush-4711"


def told(endpoints: object) -> str:
    """What is wrong with it."""
    with pytest.raises(Invalid) as raised:
        gather(None, {"JOBYARD_S3__ENDPOINTS": json.dumps(endpoints)}, {})
    return "\n".join(f"{problem.loc}: {problem.msg}" for problem in raised.value.problems)


def test_a_literal_secret_is_refused_with_what_to_write_and_is_not_repeated() -> None:
    text = told([{"name": "lab", "access_key": {"env": "A"}, "secret_key": SECRET}])
    assert text.startswith("JOBYARD_S3__ENDPOINTS: s3.endpoints[0].secret_key is a secret")
    assert '{ file = "/path/to/it" } or { env = "NAME_OF_A_VARIABLE" }' in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "endpoints",
    [
        [{"name": "lab", "secret": SECRET}],
        {"name": "lab", "secret_key": SECRET},
        [{"name": "lab", "url": f"https://me:{SECRET}@s3.example.org"}],
        [{"name": "lab", "secret_key": {"value": SECRET}}],
        [{"name": "lab", "secret_key": {"env": "A", "file": SECRET}}],
    ],
)
def test_a_secret_in_a_wrong_place_is_not_repeated(endpoints) -> None:
    assert SECRET not in told(endpoints)


@pytest.mark.parametrize(
    "endpoints,reason",
    [
        ([{"name": "a", "access_key": {"env": "A"}}], "needs both"),
        ([{"name": "a", "url": "http://s3.example.org"}], "allow_http"),
        ([{"name": "a"}, {"name": "b"}], "without buckets"),
        ([{"name": "a", "buckets": ["x"]}, {"name": "a", "buckets": ["y"]}], "two of the name a"),
        ([{"name": "a", "buckets": ["x"]}, {"name": "b", "buckets": ["x"]}], "in two endpoints"),
    ],
)
def test_endpoints_that_contradict_are_refused(endpoints, reason) -> None:
    assert reason in told(endpoints)


def test_a_secret_is_read_from_its_file_or_its_variable(tmp_path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert SecretRef(file=file).read({}) == SECRET
    assert SecretRef(env="A").read({"A": SECRET}) == SECRET


def test_a_secret_that_is_not_there_is_told_with_where_it_should_be(tmp_path) -> None:
    with pytest.raises(Invalid, match="environment variable A holds no secret"):
        SecretRef(env="A").read({})
    with pytest.raises(Invalid, match="nothing cannot be read: No such file"):
        SecretRef(file=tmp_path / "nothing").read({})


def test_the_values_in_force_show_references() -> None:
    keys = {"access_key": {"env": "A"}, "secret_key": {"file": "/s"}}
    settings = Settings.model_validate({"s3": {"endpoints": [{"name": "lab", **keys}]}})
    shown = value_of(settings, "s3.endpoints")
    assert shown is not None
    assert '"access_key": {"env": "A"}, "secret_key": {"file": "/s"}' in shown
