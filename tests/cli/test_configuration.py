"""Where settings come from, and how mistakes in them are told."""

import json
import tomllib
from pathlib import Path

import pytest

from jobyard.cli.configuration import Given, find_file, gather
from jobyard.cli.settings_text import example
from jobyard.domain.errors import Invalid
from jobyard.settings import Settings


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "some.toml"
        path.write_text(text)
        return path

    return write


def problems_of(file, environ=None, options=None):
    with pytest.raises(Invalid) as raised:
        gather(file, environ or {}, options or {})
    return {problem.loc: problem.msg for problem in raised.value.problems}


def test_an_option_wins_over_a_variable_and_that_over_the_file_and_that_over_the_default(file):
    path = file('[server]\nlisten = "127.0.0.1:1"\ndata = "from-file"\nworkers = 3\n[log]\nlevel = "debug"\n')
    environ = {"JOBYARD_SERVER__LISTEN": "127.0.0.1:2", "JOBYARD_SERVER__DATA": "from-variable"}
    loaded = gather(path, environ, {"server.listen": Given("127.0.0.1:3", "--listen")})
    server = loaded.settings.server
    assert (server.listen, server.data, server.workers) == ("127.0.0.1:3", Path("from-variable"), 3)
    assert loaded.settings.log.level == "debug"
    assert loaded.settings.engine == Settings().engine
    assert loaded.sources == {
        "server.listen": "--listen",
        "server.data": "JOBYARD_SERVER__DATA",
        "server.workers": f"{path}:4",
        "log.level": f"{path}:6",
    }


def test_variables_are_texts_that_become_what_the_setting_is():
    environ = {
        "JOBYARD_ENGINE__MAX_RUNTIME": "90",
        "JOBYARD_SERVER__INSECURE": "true",
        "JOBYARD_FILES__ROOTS": '["/a", "/b"]',
        "JOBYARD_LOCAL__MEMORY_GB": "1.5",
        "JOBYARD_LOG__LEVEL": "",
    }
    settings = gather(None, environ, {}).settings
    assert settings.engine.max_runtime is not None
    assert settings.engine.max_runtime.total_seconds() == 90
    assert settings.server.insecure is True
    assert settings.files.roots == (Path("/a"), Path("/b"))
    assert settings.local.memory_gb == 1.5
    assert settings.log.level == "info"


def test_all_mistakes_are_told_at_once_with_their_places_and_the_nearest_names(file):
    path = file(
        '[server]\nlisen = "127.0.0.1:1"\nworkers = 999\n\n[enigne]\nx = 1\n\n[log]\nlevel = "loud"\n'
        "roots = []\n"
    )
    environ = {
        "JOBYARD_SERVER__LISTN": "x",
        "JOBYARD_LOG_FORMAT": "json",
        "JOBYARD_ENGINE__RETRY_DELAY": "soon",
    }
    found = problems_of(path, environ)
    assert found == {
        f"{path}:2": "lisen in [server] is unknown; did you mean listen?",
        f"{path}:3": "server.workers = 999 should be less than or equal to 256",
        f"{path}:5": "[enigne] is unknown; did you mean engine?",
        f"{path}:9": "log.level = loud should be 'debug', 'info', 'warning' or 'error'",
        f"{path}:10": "roots in [log] is unknown; did you mean files.roots?",
        "JOBYARD_SERVER__LISTN": "is unknown; did you mean JOBYARD_SERVER__LISTEN?",
        "JOBYARD_LOG_FORMAT": "is unknown; did you mean JOBYARD_LOG__FORMAT (two underscores)?",
        "JOBYARD_ENGINE__RETRY_DELAY": "engine.retry_delay = soon should be a number of seconds (90) or an "
        "ISO 8601 duration (PT1M30S)",
    }


def test_a_rule_between_settings_names_where_they_were_set(file):
    path = file('[server]\nlisten = "0.0.0.0:80"\n')
    ((place, message),) = problems_of(path).items()
    assert place == f"{path}:2"
    assert "server.insecure = true" in message


def test_variables_of_other_things_are_left_alone():
    environ = {
        "JOBYARD_SERVER": "http://x",
        "JOBYARD_CONFIG": "x",
        "JOBYARD_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "PATH": "/bin",
    }
    assert gather(None, environ, {}).settings == Settings()


@pytest.mark.parametrize("text", ["[server\n", "\x00", "server = 1\n[server]\n"])
def test_a_file_that_is_not_toml_is_told(file, text):
    path = file(text)
    assert "cannot be read as TOML" in problems_of(path)[str(path)]


def test_a_file_that_is_named_must_be_there(tmp_path):
    missing = tmp_path / "missing.toml"
    assert "No such file" in problems_of(missing)[str(missing)]


def test_a_section_must_be_a_table(file):
    path = file("log = 3\n")
    assert list(problems_of(path).values()) == ["log should be a table: [log]"]


def test_a_list_in_a_variable_must_be_json():
    assert "JSON list" in problems_of(None, {"JOBYARD_FILES__ROOTS": "/a:/b"})["JOBYARD_FILES__ROOTS"]


def test_the_file_is_the_named_one_or_the_one_in_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert find_file(None, {}) is None
    Path("jobyard.toml").touch()
    assert find_file(None, {}) == Path("jobyard.toml")
    assert find_file(None, {"JOBYARD_CONFIG": "/b"}) == Path("/b")
    assert find_file(Path("/a"), {"JOBYARD_CONFIG": "/b"}) == Path("/a")


def test_the_example_changes_nothing_as_it_is_and_nothing_when_its_defaults_are_set(file):
    text = example()
    assert gather(file(text), {}, {}).settings == Settings()
    lines = [line for line in text.splitlines() if not line.startswith("#") or line.startswith("#\n")]
    assert [line for line in lines if line.startswith("[")] == [f"[{name}]" for name in Settings.model_fields]
    set_ = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") and not line.endswith(" =") else line
        for line in text.splitlines()
    )
    assert len([value for table in tomllib.loads(set_).values() for value in table]) > 30
    assert gather(file(set_), {}, {}).settings == Settings()


def test_config_example_prints_what_config_check_accepts(jobyard, tmp_path):
    (tmp_path / "jobyard.toml").write_text(jobyard("config", "example").stdout)
    result = jobyard("config", "check")
    assert (result.output, result.exit_code) == ("jobyard.toml: no mistakes\n", 0)


def test_config_check_names_the_mistakes_of_a_file(jobyard, tmp_path):
    (tmp_path / "other.toml").write_text("[server]\nport = 80\n")
    result = jobyard("config", "check", "other.toml")
    assert result.stderr == (
        "jobyard: the configuration cannot be used: 1 problem\n  other.toml:2: port in [server] is unknown\n"
    )
    assert result.exit_code == 1


def test_serve_refuses_an_open_address_before_it_starts_anything(jobyard, tmp_path):
    result = jobyard("serve", "--listen", "0.0.0.0:0", "--data", "d")
    assert "--listen: server.listen = 0.0.0.0:0 lets other machines in" in result.stderr
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_config_show_tells_each_value_and_where_it_comes_from(jobyard, tmp_path):
    (tmp_path / "jobyard.toml").write_text("[server]\nworkers = 2\n")
    env = {"JOBYARD_ENGINE__POLL_INTERVAL": "3"}
    lines = jobyard("config", "show", env=env).stdout.splitlines()
    assert "server.workers\t2\tjobyard.toml:2" in lines
    assert 'engine.poll_interval\t"PT3S"\tJOBYARD_ENGINE__POLL_INTERVAL' in lines
    assert 'log.level\t"info"\tdefault' in lines
    assert "engine.max_runtime\t\tdefault" in lines
    document = json.loads(jobyard("config", "show", "--json", env=env).stdout)
    assert document["server.workers"] == {"value": 2, "from": "jobyard.toml:2"}
    assert document["engine.max_runtime"] == {"value": None, "from": "default"}
