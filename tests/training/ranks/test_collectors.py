"""Ranks and collectors together: Ray is rank 0's alone, learns as with one rank, and is gone when that is killed."""

import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file
from tests.training.ranks.processes import SMALL, finish, rank_process, start_torchrun

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.reports import read_metrics, read_summary
from kvzero.training.storage import read_config

pytest.importorskip("ray")

COLLECTING = ["--collectors", "1", "--lag", "0", "--object-store-bytes", "100000000"]
SECONDS = 30


def weights(run: Path):
    return load_file(newest_checkpoint(run) / "weights.safetensors")


def knows_ray(process: psutil.Process) -> bool:
    """Tell whether a process has loaded Ray's library, or began a process, as one does that starts it."""
    return bool(process.children()) or any("_raylet" in region.path for region in process.memory_maps())


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_checkpoint(run: Path, after: int) -> None:
    """Return once there is a checkpoint of more than so many environment steps."""
    deadline = time.monotonic() + 4 * SECONDS
    while int(newest_checkpoint(run).name.split("_")[1]) <= after:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.1)


def test_two_ranks_with_a_collector_learn_as_one_with_it_go_on_and_leave_nothing_when_rank_0_is_killed(tmp_path):
    run = tmp_path / "run"
    words = [*SMALL, *COLLECTING, "--checkpoint-every", "8", "--runs-dir", str(tmp_path), "--run-name", "run"]
    first = start_torchrun(*words, "--total-env-steps", "48")
    said = finish(first)
    assert first.returncode == 0, said
    assert read_summary(run).env_steps == 48
    alone = kvzero.train(replace(read_config(run), run_name="alone")).run
    assert read_summary(alone).updates == read_summary(run).updates > 0
    theirs = weights(alone)
    for name, found in weights(run).items():
        assert abs(found - theirs[name]).max() <= 1e-6, name

    torchrun = start_torchrun("train", "--resume", str(run), "--total-env-steps", "100000")
    try:
        await_checkpoint(run, after=48)
        led, other = (psutil.Process(rank_process(torchrun, rank)) for rank in range(2))
        assert knows_ray(led)
        assert not knows_ray(other)
        titles = {process: " ".join(process.cmdline()) for process in led.children(recursive=True)}
        assert any("RemoteCollector" in title for title in titles.values())
        begun = [process for process, title in titles.items() if "Agent" not in title]  # these take Ray a minute to end
        led.kill()
        killed = time.monotonic()
    finally:
        said = finish(torchrun)
    assert time.monotonic() - killed < 60
    assert torchrun.returncode != 0
    assert f"error: rank 0 (process {led.pid}) has ended in the middle of the run" in said
    while not all(is_gone(process) for process in [*begun, other]):
        assert time.monotonic() - killed < 60 + SECONDS, "processes outlive the run"
        time.sleep(0.1)

    saved = int(newest_checkpoint(run).name.split("_")[1])
    resumed = kvzero.resume(run, total_env_steps=saved + 16).summary
    assert resumed is not None
    assert resumed.env_steps >= saved + 16
    assert [line["env_steps"] for line in read_metrics(run) if "updates" in line] == list(range(8, saved + 17, 8))
