"""Runs in two ranks as users start them: torchrun and the command line."""

import os
import signal
import time

from tests.training.ranks.processes import SMALL, await_update, finish, rank_process, run_ranks, start_torchrun

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.reports import read_metrics, read_summary


def test_a_run_goes_from_two_ranks_to_one_and_back(tmp_path):
    run = tmp_path / "run"
    first = start_torchrun(*SMALL, "--runs-dir", str(tmp_path), "--run-name", "run", "--total-env-steps", "48")
    said = finish(first)
    assert first.returncode == 0, said
    assert said.count("everything is in") == 1, "another rank printed too"
    assert read_summary(run).env_steps == 48
    alone = kvzero.resume(run, total_env_steps=72).summary
    assert alone is not None
    second = start_torchrun("train", "--resume", str(run), "--total-env-steps", "96")
    said = finish(second)
    assert second.returncode == 0, said
    assert read_summary(run).updates > alone.updates > 0
    assert [line["env_steps"] for line in read_metrics(run) if "updates" in line] == list(range(8, 97, 8))


def test_a_rank_that_is_killed_ends_the_run_with_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    torchrun = start_torchrun(*SMALL, "--runs-dir", str(tmp_path), "--run-name", "run", "--total-env-steps", "100000")
    try:
        await_update(run, torchrun)
        killed = rank_process(torchrun, 1)
        os.kill(killed, signal.SIGKILL)
        started = time.monotonic()
    finally:
        said = finish(torchrun) if torchrun.poll() is None else torchrun.communicate()[0]
    assert time.monotonic() - started < 60
    assert torchrun.returncode != 0
    assert f"error: rank 1 (process {killed}) has ended in the middle of the run" in said
    saved = int(newest_checkpoint(run).name.split("_")[1])
    resumed = kvzero.resume(run, total_env_steps=saved + 16)
    assert resumed.summary is not None
    assert resumed.summary.env_steps >= saved + 16


def test_a_stop_signal_ends_all_ranks_with_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    torchrun = start_torchrun(*SMALL, "--runs-dir", str(tmp_path), "--run-name", "run", "--total-env-steps", "100000")
    try:
        await_update(run, torchrun)
        torchrun.send_signal(signal.SIGTERM)
    finally:
        said = finish(torchrun) if torchrun.poll() is None else torchrun.communicate()[0]
    assert f"stopped; go on with: kvzero train --resume {run}" in said
    assert newest_checkpoint(run).is_dir()


def test_a_batch_that_ranks_cannot_share_is_refused_by_rank_0_alone(tmp_path):
    words = ["-m", "kvzero", *SMALL, "--batch-size", "5", "--runs-dir", str(tmp_path)]
    first, second = run_ranks(words)
    assert (first.returncode, second.returncode) == (2, 0)
    assert "batch_size is 5, which 2 ranks cannot share evenly; give a multiple of 2, such as 6" in first.stdout
    assert not second.stdout
    assert not any(tmp_path.iterdir())
