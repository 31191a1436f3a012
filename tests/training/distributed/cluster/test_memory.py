"""How full object stores are is told without waiting for a cluster that does not answer."""

from threading import Event
from types import SimpleNamespace

import pytest

from kvzero.training.distributed.cluster import ObjectStores, memory


class RayError(Exception):
    pass


class FakeRay:
    """A cluster that answers once it is let."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self):
        self.may_answer, self.num_asked = Event(), 0

    def cluster_resources(self):
        self.num_asked += 1
        self.may_answer.wait(20)
        return {"object_store_memory": 100.0}

    def available_resources(self):
        return {"object_store_memory": 70.0}


def test_who_gets_no_answer_waits_once_and_keeps_what_was_told(monkeypatch):
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.01)
    ray = FakeRay()
    stores = ObjectStores(ray)
    assert [stores.figures(), stores.figures()] == [{}, {}]
    assert ray.num_asked == 1
    ray.may_answer.set()
    stores._asking.join()
    told = {"object_store_bytes": 30.0, "object_store_limit_bytes": 100.0}
    assert stores.figures() == told
    ray.may_answer.clear()
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.0)
    assert stores.figures() == told
    ray.may_answer.set()


@pytest.mark.parametrize("resources", [{}, {"object_store_memory": 0.0}])
def test_a_cluster_without_a_store_holds_nothing(resources):
    ray = FakeRay()
    ray.cluster_resources = ray.available_resources = lambda: resources
    assert ObjectStores(ray).figures() == {"object_store_bytes": 0.0, "object_store_limit_bytes": 0.0}


def test_a_cluster_that_was_left_meanwhile_tells_no_more():
    ray = FakeRay()
    ray.may_answer.set()
    stores = ObjectStores(ray)
    told = stores.figures()

    def refuse():
        raise RayError

    ray.available_resources = refuse
    assert stores.figures() == told
