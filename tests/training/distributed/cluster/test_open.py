"""A cluster that runs already is joined and left as it was; killed, its processes go with the one that began it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster import nodes, open_cluster

pytest.importorskip("ray")

ROOT = Path(__file__).parents[4]
SECONDS = 20


@contextmanager
def victim(errors):
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.distributed.cluster.victim"],
        cwd=ROOT,
        env=os.environ | threads | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def try_to_join(address):
    with open_cluster(address, num_actors=1, object_store_bytes=1) as ray:
        return ray.get(ray.remote(num_cpus=1)(lambda: "done").remote())


def is_gone(process):
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_cluster_is_joined_twice_and_dies_with_the_process_that_began_it(monkeypatch, tmp_path):
    with (tmp_path / "errors").open("w") as errors, victim(errors) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("127.0.0.1:"), "Ray writes to the terminal of the process that began it"
        began = [one for one in psutil.Process(process.pid).children() if one.name() != "python"]
        (raylet,) = (one for one in began if one.name() == "raylet")
        monkeypatch.setenv("RAY_AUTH_TOKEN", raylet.environ()["RAY_AUTH_TOKEN"])
        refuse_by_version(monkeypatch, address)
        assert try_to_join(address) == "done"
    deadline = time.monotonic() + SECONDS
    while not all(is_gone(one) for one in began):
        assert time.monotonic() < deadline, "processes of Ray outlive the one that began them"
        time.sleep(0.05)
    assert (tmp_path / "errors").read_text() == ""


def refuse_by_version(monkeypatch, address):
    with monkeypatch.context() as other:
        other.setattr(nodes, "OWN_VERSION", "9")
        with pytest.raises(ClusterError, match=r"has kvzero \S+, this process kvzero 9"):
            try_to_join(address)
