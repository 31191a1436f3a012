"""A run that is killed without warning goes on from its last whole checkpoint."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.training.victim import PLACES, SECONDS

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.reports import read_metrics

ROOT = Path(__file__).parents[2]


def await_pid(path: Path, parent: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert parent.poll() is None, f"the runs ended before {path.stem}"
        assert time.monotonic() < deadline, f"the run did not come to {path.stem}"
        time.sleep(0.02)
    return int(path.read_text())


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of killed runs, each called by the place that it was killed at."""
    runs = tmp_path_factory.mktemp("killed")
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | threads | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-m", "tests.training.victim", str(runs)]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as parent:
        for place in PLACES:
            os.kill(await_pid(runs / f"{place}.pid", parent), signal.SIGKILL)
    assert parent.returncode == 0, "a run ended in another way"
    return runs


@pytest.mark.parametrize(("place", "env_steps"), [("collecting", 24), ("updating", 24), ("writing", 12)])
def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(killed, place, env_steps):
    run = killed / place
    assert newest_checkpoint(run).name.startswith(f"step_{env_steps:010d}_")
    assert any((run / "checkpoints").glob("partial_*")) == (place == "writing")
    assert not (run / "summary.json").exists()
    finished = kvzero.resume(run)
    assert finished.summary is not None
    assert (finished.summary.env_steps, finished.summary.updates) == (40, 7)
    assert not any((run / "checkpoints").glob("partial_*"))
    logged = [figures["env_steps"] for figures in read_metrics(run) if "updates" in figures]
    assert logged == list(range(4, 41, 4)), "the metrics hold more than one history"
