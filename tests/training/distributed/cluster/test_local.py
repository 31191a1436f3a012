"""A Ray of a run's own is for it alone, is heard by nobody else, and is gone with it, however that ends."""

import os
import signal
import stat
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from kvzero.errors import ClusterError, ConfigError
from kvzero.training.distributed.cluster import ObjectStores, check_cluster, open_cluster
from kvzero.training.distributed.cluster import local as module
from kvzero.training.distributed.cluster.local import FOLDER_PREFIX
from kvzero.training.distributed.cluster.nodes import wait_for_cpus
from kvzero.training.distributed.cluster.probe import probe

pytest.importorskip("ray")

STORE_BYTES = 80_000_000


def wait_until(is_so, seconds=20):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def own_folders():
    return set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"))


@pytest.fixture(scope="module")
def opened():
    """Give Ray, its folder, and what opening left of the environment and of how a signal is handled."""
    handler = signal.getsignal(signal.SIGTERM)
    with (
        tempfile.TemporaryDirectory(prefix="kv-") as place,  # short, as Ray's sockets lie in it
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tempfile, "tempdir", place)  # where no other test begins a Ray meanwhile
        with open_cluster("local", num_actors=1, object_store_bytes=STORE_BYTES) as ray:
            (folder,) = own_folders()
            assert signal.getsignal(signal.SIGTERM) == handler
            yield ray, folder
        assert not folder.exists()
        assert not ray.is_initialized()


def test_it_listens_at_the_loopback_and_asks_for_a_token_that_is_nowhere_to_be_read(opened):
    address = opened[0].get_runtime_context().gcs_address
    assert address.startswith("127.0.0.1:")
    assert "RAY_AUTH_TOKEN" not in os.environ
    with pytest.raises(ClusterError, match="asks for a token"):
        probe(address, token=None, seconds=5.0)


def test_its_files_are_closed_to_other_users(opened):
    assert stat.S_IMODE(opened[1].stat().st_mode) == 0o700


def test_what_its_object_store_holds_is_told_and_what_is_let_go_is_freed(opened):
    ray, _ = opened
    stores = ObjectStores(ray)
    wait_until(lambda: stores.figures().get("object_store_limit_bytes") == STORE_BYTES)
    held = ray.put(np.zeros(20_000_000, np.uint8))
    wait_until(lambda: stores.figures()["object_store_bytes"] > 20_000_000)
    del held
    wait_until(lambda: stores.figures()["object_store_bytes"] < 1_000_000)


def test_more_actors_than_cpus_are_refused_instead_of_waited_for(opened):
    with pytest.raises(ClusterError, match=r"1 of 1 CPUs free, and 2 actors need one each; .*ray start --address=here"):
        wait_for_cpus(opened[0], 2, "here")


def test_who_is_connected_already_uses_that_by_auto_and_only_so(opened):
    ray, _ = opened
    with open_cluster("auto", num_actors=1, object_store_bytes=STORE_BYTES) as same:
        assert same is ray
    assert ray.is_initialized()
    with (
        pytest.raises(ClusterError, match="is connected to a Ray already; give auto"),
        open_cluster("local", num_actors=1, object_store_bytes=STORE_BYTES),
    ):
        pass


def test_a_folder_whose_process_is_gone_is_removed_and_one_in_use_or_just_made_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "MAX_FOLDER_LETTERS", 200)
    left, new = tmp_path / f"{FOLDER_PREFIX}left", tmp_path / f"{FOLDER_PREFIX}new"
    (left / "r").mkdir(parents=True)
    new.mkdir()
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    with module._folder() as first:
        os.utime(first, (an_hour_ago, an_hour_ago))
        with module._folder() as second:
            assert not left.exists()
            assert first.exists()
            assert first != second
    assert list(tmp_path.iterdir()) == [new]


def test_a_temporary_folder_with_a_long_name_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 50)))
    with module._folder() as folder:
        assert len(str(folder)) <= module.MAX_FOLDER_LETTERS


def test_the_reason_that_ray_wrote_is_told(tmp_path):
    logs = tmp_path / "session_latest" / "logs"
    logs.mkdir(parents=True)
    assert module._read_cause(tmp_path) is None
    (logs / "gcs_server.out").write_text("[2026-01-01 00:00:00,000 E 12 34] (gcs_server) x.cc:1: a later one\n")
    (logs / "raylet.err").write_text(
        "something\n[2026-01-01 00:00:00,000 C 12 34] (raylet) dlmalloc.cc:161: Read-only file system\n"
    )
    assert module._read_cause(tmp_path) == "dlmalloc.cc:161: Read-only file system"


@pytest.mark.parametrize(
    "cluster", ["", "here", "ray://host:1", "host", ":6379", "host:0", "host:70000", "host:x", "::1:6379"]
)
def test_what_names_no_cluster_is_refused(cluster):
    with pytest.raises(ConfigError, match="give local, auto, or HOST:PORT"):
        check_cluster(cluster)


@pytest.mark.parametrize("cluster", ["local", "auto", "host:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_what_names_one_is_taken(cluster):
    check_cluster(cluster)
