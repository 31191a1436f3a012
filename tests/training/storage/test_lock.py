"""Two processes never write one run; a lock ends with its process, and without locks a run goes on."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.samples import tiny_config

import kvzero
from kvzero.errors import RunError
from kvzero.training.storage import lock
from kvzero.training.storage.lock import sole_writer

HOLD = """
import sys, time
from pathlib import Path
from kvzero.training.storage.lock import sole_writer

with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_another_process_writes_is_not_gone_on_with_until_that_is_gone(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, run_name="run")
    run = kvzero.train(config).run
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
        longer = config.schedule.total_env_steps + 8
        with pytest.raises(RunError, match=r"is being written by another process; wait .*kvzero train --resume"):
            kvzero.resume(run, total_env_steps=longer)
        assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before
        kvzero.Agent.load(run)
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    assert kvzero.resume(run, total_env_steps=longer).summary.env_steps >= longer


def test_of_two_runs_that_begin_with_one_name_the_second_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with sole_writer(tmp_path / "run"), pytest.raises(RunError, match="is being written by another process"):
        kvzero.train(tiny_config(tmp_path, run_name="run"))
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.usefixtures("no_pictures")
def test_what_was_begun_meanwhile_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run was begun, and ended, between the first look at the folder and the lock."""
    from kvzero.training import train as train_function  # noqa: PLC0415  # the room's façade has a function of this name

    module = sys.modules[train_function.__module__]
    new_run, config = module.new_run, tiny_config(tmp_path, run_name="run")

    def begin_late(*args: object) -> AbstractContextManager[None]:
        monkeypatch.setattr(module, "new_run", new_run)
        kvzero.train(config)
        return new_run(*args)

    monkeypatch.setattr(module, "new_run", begin_late)
    with pytest.raises(RunError, match="already exists and is not empty"):
        kvzero.train(replace(config, seed=5))
    assert kvzero.training.read_config(tmp_path / "run").seed == config.seed


@pytest.mark.usefixtures("no_pictures")
def test_a_file_system_without_locks_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(lock, "lock_descriptor", refuse)
    assert kvzero.train(tiny_config(tmp_path, run_name="run")).summary is not None
    assert "cannot be locked (Operation not supported); do not let two processes write it" in caplog.text


def test_a_lock_leaves_nothing_behind_in_the_folder(tmp_path: Path) -> None:
    with sole_writer(tmp_path):
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    with sole_writer(tmp_path):
        """It is free again."""


def test_what_holds_the_folder_without_knowing_kvzero_is_waited_for_too(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(RunError, match="is being written by another process"), sole_writer(tmp_path):
        pytest.fail("two hold one folder")
    os.close(folder)
    with sole_writer(tmp_path):
        """It is free again."""
