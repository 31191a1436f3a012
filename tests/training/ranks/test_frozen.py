"""A rank that stands still, and so closes no connection, ends the others after a while, with a checkpoint."""

import os
import signal
import time

from tests.training.ranks.processes import SMALL, await_update, end_all, free_port, start_rank

import kvzero
from kvzero.agent import newest_checkpoint


def test_a_rank_that_is_frozen_ends_the_run_with_a_checkpoint(tmp_path):
    run, port = tmp_path / "run", free_port()
    words = ["-m", "tests.training.ranks.hasty", *SMALL, "--runs-dir", str(tmp_path), "--run-name", "run"]
    ranks = [start_rank([*words, "--total-env-steps", "100000"], rank, port) for rank in range(2)]
    with end_all(ranks):
        await_update(run, ranks[0])
        os.kill(ranks[1].pid, signal.SIGSTOP)
        stopped = time.monotonic()
        said = ranks[0].communicate(timeout=60)[0]
        assert time.monotonic() - stopped < 60
        assert ranks[0].returncode == 1
        assert f"error: rank 1 (process {ranks[1].pid}) was stopped and does not answer, and ends it for all" in said
        assert "go on from its newest checkpoint: kvzero train --resume RUN" in said
        assert ranks[1].poll() is None, "it was not frozen, but ended"
        os.kill(ranks[1].pid, signal.SIGCONT)
        assert "error: rank 0" in ranks[1].communicate(timeout=60)[0], "who wakes up again goes on alone"
        assert ranks[1].returncode == 1
    saved = int(newest_checkpoint(run).name.split("_")[1])
    resumed = kvzero.resume(run, total_env_steps=saved + 16).summary
    assert resumed is not None
    assert resumed.env_steps >= saved + 16
