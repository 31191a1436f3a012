"""A run whose collectors keep dying ends with a checkpoint and the cause, and goes on from there to its end."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.training.ranks.processes import SMALL

from kvzero.agent import newest_checkpoint
from kvzero.cli import main
from kvzero.reports import read_metrics, read_summary
from kvzero.training.distributed import actors

pytest.importorskip("ray")

ENV_STEPS = 160
LOOK_SECONDS = 0.05


def collectors() -> list[psutil.Process]:
    found = []
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if "RemoteCollector" in " ".join(process.cmdline()):
                found.append(process)
    return found


@contextmanager
def killing_collectors(run: Path) -> Iterator[None]:
    """Inside the block, kill every collector as soon as there is one, from the first checkpoint on."""
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(LOOK_SECONDS):
            if any(run.glob("checkpoints/step_*")):
                for process in collectors():
                    with suppress(psutil.NoSuchProcess):
                        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        is_over.set()
        killer.join()


def test_collectors_that_keep_dying_end_the_run_which_goes_on_to_its_end_when_resumed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(actors, "RESTART_WINDOW_SECONDS", 1e4)  # a busy machine takes a minute to begin a process
    run = tmp_path / "run"
    words = [*SMALL, "--collectors", "1", "--max-restarts", "1", "--object-store-bytes", "100000000"]
    words += ["--checkpoint-every", "8", "--total-env-steps", str(ENV_STEPS)]
    with killing_collectors(run):
        status = main([*words, "--runs-dir", str(tmp_path), "--run-name", "run"])
    assert status == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "error: collector 0 was lost: " in said
    assert "(1)" not in said.partition("error: ")[2], "Ray's guesses are told, too"
    assert "that makes 2 within a minute, and max_restarts is 1; mend the cause, then go on with --resume" in said
    saved = int(newest_checkpoint(run).name.split("_")[1])
    assert 0 < saved < ENV_STEPS
    assert main(["train", "--resume", str(run)]) == 0
    assert read_summary(run).env_steps == ENV_STEPS
    assert [line["env_steps"] for line in read_metrics(run) if "updates" in line] == list(range(8, ENV_STEPS + 1, 8))
