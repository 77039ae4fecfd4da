"""`doctor`, on the machine that the tests run on."""

import json
import socket
from pathlib import Path

import pytest

from jobyard.cli.checks import (
    Level,
    _filesystem,
    _write_ahead_log,
    data_directory,
    file_roots,
    findings,
    port,
    runtime,
)
from jobyard.settings import Local, Server, Settings


def working(tmp_path) -> Settings:
    return Settings(
        server=Server(listen="127.0.0.1:0", data=tmp_path / "data"),
        local=Local(runtime="process", sandbox="none"),
    )


def test_a_machine_that_can_serve_has_no_failure(tmp_path):
    found = list(findings(working(tmp_path)))
    assert [finding for finding in found if finding.level == Level.FAIL] == []
    assert not (tmp_path / "data").exists()


def test_the_exit_code_says_whether_serve_could_work(jobyard, tmp_path):
    (tmp_path / "jobyard.toml").write_text('[server]\nlisten = "127.0.0.1:0"\n[local]\nruntime = "process"\n')
    assert jobyard("doctor").exit_code == 0
    result = jobyard("doctor", "--json", env={"JOBYARD_LOCAL__RUNTIME": "auto", "PATH": str(tmp_path)})
    assert result.exit_code == 1
    failed = [finding for finding in json.loads(result.stdout) if finding["level"] == "fail"]
    assert [finding["subject"] for finding in failed] == ["jobs"]
    assert 'local.runtime = "process"' in failed[0]["advice"]


def test_a_database_of_another_release_is_a_failure_that_names_what_helps(jobyard, tmp_path):
    (tmp_path / "jobyard.toml").write_text('[server]\nlisten = "127.0.0.1:0"\n[local]\nruntime = "process"\n')
    assert jobyard("db", "current").stdout == "none\n"
    assert jobyard("db", "upgrade").exit_code == 0
    assert jobyard("db", "check").exit_code == 0
    assert "database\tschema" in jobyard("doctor").stdout


def test_a_database_that_cannot_be_read_is_a_failure(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jobyard.db").write_text("this is no database" * 100)
    found = {finding.subject: finding for finding in findings(working(tmp_path))}
    assert found["database"].level == Level.FAIL
    assert "cannot be read" in found["database"].message


def test_an_address_in_use_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        finding = port(f"127.0.0.1:{taken.getsockname()[1]}")
    assert finding.level == Level.FAIL
    assert "Address already in use" in finding.message
    assert port("[::1]:0").level == Level.OK


def test_a_data_directory_that_cannot_be_made_is_a_failure(tmp_path):
    (tmp_path / "file").touch()
    (finding,) = data_directory(tmp_path / "file" / "data")
    assert (finding.level, finding.subject) == (Level.FAIL, "data directory")


def test_the_file_system_is_that_of_the_deepest_mount():
    mounts = "/dev/a / ext4 rw 0 0\nhost:/b /data nfs4 rw 0 0\n/dev/c /data/my\\040disk xfs rw 0 0\n"
    places = [Path("/x"), Path("/data/x"), Path("/data/my disk/x")]
    assert [_filesystem(place, mounts) for place in places] == ["ext4", "nfs4", "xfs"]


def test_a_network_file_system_is_a_warning_that_says_why(tmp_path):
    finding = _write_ahead_log(tmp_path, "nfs4")
    assert (finding.level, finding.advice) == (Level.WARN, "put server.data on a local disk")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_root_is_a_warning_and_so_is_none_at_all(tmp_path):
    levels = [finding.level for finding in file_roots((tmp_path, tmp_path / "missing"))]
    assert levels == [Level.OK, Level.WARN]
    assert [finding.level for finding in file_roots(())] == [Level.WARN]


def test_processes_need_no_container_engine():
    assert runtime(Settings(local=Local(runtime="process"))).level == Level.OK


@pytest.mark.parametrize("choice", ["auto", "podman", "docker"])
def test_containers_need_an_engine_that_answers(choice, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = runtime(Settings(local=Local(runtime=choice)))
    assert (missing.level, "not installed" in missing.message) == (Level.FAIL, True)
    name = "podman" if choice == "auto" else choice
    engine = tmp_path / name
    engine.write_text("#!/bin/sh\necho 'no daemon here' >&2\nexit 1\n")
    engine.chmod(0o755)
    assert "no daemon here" in runtime(Settings(local=Local(runtime=choice))).message
    engine.write_text("#!/bin/sh\nexit 0\n")
    working = runtime(Settings(local=Local(runtime=choice)))
    assert (working.level, str(engine) in working.message) == (Level.OK, True)
