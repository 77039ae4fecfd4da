"""One script leads an attempt's commands, however often it is started."""

from datetime import timedelta
from pathlib import Path

from jobyard.executors.local import processes
from jobyard.executors.local.folder import Folder
from jobyard.executors.local.leader import Leader
from jobyard.executors.local.script import Step, script

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
TAKES_ITS_TIME = ": > pid\n: > taken\nsleep 0.3\necho $$ > pid\nsleep 0.3\necho once >> ran\n"


async def test_a_start_that_was_taken_and_not_yet_signed_is_waited_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "run.sh").write_text(TAKES_ITS_TIME)
    first = processes.spawn(tmp_path, ENVIRONMENT)
    while not folder.has("taken"):
        pass
    (tmp_path / "run.new").write_text(script("a.1", [Step(text="echo again >> ran", ignore_error=False)]))
    (tmp_path / "run.new").rename(tmp_path / "run.sh")

    leader = Leader(folder=folder, environment=ENVIRONMENT, kill_grace=timedelta(seconds=1), time_limit=None)
    await leader.run()

    assert folder.pid() == first
    assert (tmp_path / "ran").read_text() == "once\n"
