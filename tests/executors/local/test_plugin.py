import shutil
from pathlib import Path

import pytest

from jobyard.domain.errors import Invalid
from jobyard.domain.resources import Amount
from jobyard.executors.local.plugin import LocalOptions, open_executor


class NoStager:
    storage = ("https://",)

    def check(self, inputs: object, outputs: object) -> None: ...
    async def bring(self, inputs: object, view: object, journal: object) -> None: ...
    async def store(self, outputs: object, view: object, journal: object, *, missing_ok: bool) -> None: ...


def test_what_jobs_may_use_is_as_configured_or_what_there_is(tmp_path: Path) -> None:
    options = LocalOptions(cores=3, memory_gb=1.5, disk_gb=2, default_memory_gb=0.25)
    executor = open_executor(options, data=tmp_path / "a" / "data", stager=NoStager())
    assert executor.capacity == Amount(cores=3, memory=1_500_000_000, disk=2_000_000_000)
    assert executor.default.memory == 250_000_000
    assert executor.storage == ("https://",)
    found = open_executor(LocalOptions(), data=tmp_path / "data", stager=NoStager()).capacity
    assert found
    assert found.cores >= 1
    assert 10**8 < found.memory < 10**15
    assert found.disk <= shutil.disk_usage(tmp_path).total


def test_a_demanded_sandbox_that_is_missing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="not installed"):
        open_executor(LocalOptions(sandbox="bubblewrap"), data=tmp_path / "data", stager=NoStager())
    open_executor(LocalOptions(sandbox="auto"), data=tmp_path / "data", stager=NoStager())


def test_a_sandbox_that_does_not_work_here_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'no namespaces here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="no namespaces here"):
        open_executor(LocalOptions(sandbox="bubblewrap"), data=tmp_path / "data", stager=NoStager())


def test_a_demanded_engine_that_is_missing_or_does_not_work_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="podman: not installed"):
        open_executor(LocalOptions(runtime="podman"), data=tmp_path / "data", stager=NoStager())
    broken = tmp_path / "docker"
    broken.write_text("#!/bin/sh\necho 'no daemon here' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(Invalid, match="docker: no daemon here"):
        open_executor(LocalOptions(runtime="docker"), data=tmp_path / "data", stager=NoStager())
