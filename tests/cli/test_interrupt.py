"""Ctrl-C, SIGTERM and SIGHUP in real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.test_train import SMALL

from kvzero.agent import newest_checkpoint

ROOT = Path(__file__).parents[2]
SECONDS = 60


@pytest.mark.parametrize(
    ("number", "to_all", "words"),
    [
        (signal.SIGINT, False, []),
        (signal.SIGTERM, False, []),
        (signal.SIGHUP, False, []),
        (signal.SIGHUP, True, ["--num-env-workers", "2"]),
        (signal.SIGTERM, True, ["--num-env-workers", "2"]),
        (signal.SIGINT, True, ["--num-env-workers", "2"]),
    ],
)
def test_a_stop_ends_with_a_checkpoint_the_status_of_an_interrupt_and_a_hint(tmp_path, number, to_all, words):
    """A terminal sends Ctrl-C, and that it is gone, to all processes of a run, and schedulers send SIGTERM so."""
    run = tmp_path / "run"
    words = [
        *SMALL,
        *words,
        "--total-env-steps",
        "100000",
        "--log-every",
        "4",
        "--runs-dir",
        tmp_path,
        "--run-name",
        "run",
    ]
    program = "import sys; from kvzero.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", "cartpole", *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + SECONDS
    while not ((run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if to_all:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert err == ""
    assert out.splitlines()[-1] == f"stopped; go on with: kvzero train --resume {run}"
    assert newest_checkpoint(run).is_dir()
    assert not (run / "summary.json").exists()
