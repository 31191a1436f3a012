"""A cluster that is not fit for a run is refused before Ray's own client is let at it."""

import re
from types import SimpleNamespace

import psutil
import pytest

from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster import join
from kvzero.training.distributed.cluster.join import find_address, joined

pytest.importorskip("ray")
from tests.training.distributed.cluster.fakes import NODES, TOKEN, FakeHead, serving


@pytest.fixture(autouse=True)
def own_token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


class FakeProcess:
    """A process of some name."""

    def __init__(self, name, *words):
        self.info = {"name": name}
        self._words = list(words)

    def cmdline(self):
        if not self._words:
            raise psutil.AccessDenied
        return self._words


def let_run(monkeypatch, *processes):
    monkeypatch.setattr(psutil, "process_iter", lambda _: iter(processes))


def raylet(address, session="/tmp/ray/session"):
    return FakeProcess("raylet", "raylet", f"--gcs-address={address}", f"--session_dir={session}", "--head")


def join_fake(head, *, trusts_network=False):
    with serving(head) as address, joined(address, trusts_network=trusts_network):
        pass


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (FakeHead(ray_version="2.9.1"), r"runs Ray 2\.9\.1, this process"),
        (FakeHead(python_version="3.12.0"), r"runs Python 3\.12\.0, this process"),
    ],
)
def test_other_versions_are_refused_with_both_numbers(head, said):
    with pytest.raises(ClusterError, match=said):
        join_fake(head)


def test_a_machine_that_is_no_node_is_told_how_to_become_one(monkeypatch):
    let_run(monkeypatch, FakeProcess("raylet", f"--node_id={NODES[1].hex()}"), FakeProcess("raylet"))
    with pytest.raises(ClusterError, match=r"ray start --address=127\.0\.0\.1:\d+ --num-cpus=0"):
        join_fake(FakeHead())


def test_an_open_cluster_is_refused_unless_it_is_at_the_loopback_or_its_network_is_trusted(monkeypatch):
    let_run(monkeypatch)
    with pytest.raises(ClusterError, match="is no node"):  # it got past the question of trust
        join_fake(FakeHead(token=None))
    wide = FakeHead(token=None, host="192.0.2.7")
    with pytest.raises(ClusterError, match=r"asks for no token: .* RAY_AUTH_MODE=token, or give --cluster-trusts-netw"):
        join_fake(wide)
    with pytest.raises(ClusterError, match="is no node"):
        join_fake(wide, trusts_network=True)


def test_a_cluster_that_answers_no_more_is_left_without_taking_leave():
    num_left = []
    leaving = SimpleNamespace(shutdown=lambda: num_left.append(1))
    with serving(FakeHead()) as address:
        join._leave(leaving, address, TOKEN)
        assert num_left == [1]
    join._leave(leaving, address, TOKEN)
    assert num_left == [1]


def test_auto_is_what_the_environment_names(monkeypatch):
    let_run(monkeypatch, raylet("10.0.0.1:6379"))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.9:6379")
    assert find_address() == "10.0.0.9:6379"
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.9:10001")
    with pytest.raises(ClusterError, match=r"RAY_ADDRESS is 'ray://10.0.0.9:10001'; .* HOST:PORT of a cluster's head"):
        find_address()


def test_auto_is_else_the_one_cluster_that_runs_here_and_was_not_begun_for_one_run(monkeypatch):
    private = raylet("127.0.0.1:5", "/tmp/kvzero-ray-abc/r/session")
    let_run(monkeypatch, private, raylet("10.0.0.1:6379"), raylet("10.0.0.1:6379"), FakeProcess("raylet"))
    assert find_address() == "10.0.0.1:6379"


def test_auto_is_refused_where_there_is_none_or_several(monkeypatch):
    let_run(monkeypatch, FakeProcess("python", "--gcs-address=10.0.0.1:6379"))
    with pytest.raises(ClusterError, match=re.escape("start one (ray start --head)")):
        find_address()
    let_run(monkeypatch, raylet("10.0.0.2:6379"), raylet("10.0.0.1:6379"))
    with pytest.raises(ClusterError, match=re.escape("one of 10.0.0.1:6379, 10.0.0.2:6379")):
        find_address()
