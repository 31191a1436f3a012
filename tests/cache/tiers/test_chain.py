"""A chain answers as one tier with everything in it would, and brings nearer what lay farther."""

from collections.abc import Iterator

import pytest
from tests.cache.tiers.fakes import NAMESPACE, FakeBackend, entries, entry, key, wait_until

from kvzero.cache.tiers.chain import TierChain
from kvzero.cache.tiers.frame import Framer
from kvzero.cache.tiers.stored import StoredTier


class FarBackend(FakeBackend):
    name = "far"


@pytest.fixture
def near() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def far() -> FakeBackend:
    return FarBackend()


@pytest.fixture
def chain(near: FakeBackend, far: FakeBackend) -> Iterator[TierChain]:
    framer = Framer(max_payload_bytes=100)
    chain = TierChain([StoredTier(backend, framer, queue_bytes=10_000) for backend in (near, far)])
    yield chain
    chain.close()
    assert near.is_closed
    assert far.is_closed


def test_both_keep_what_is_kept(chain: TierChain, near: FakeBackend, far: FakeBackend) -> None:
    chain.set_many(NAMESPACE, entries(1, 2))
    wait_until(lambda: len(near.frames) == len(far.frames) == 2)
    chain.drop([key(1)])
    wait_until(lambda: len(near.frames) == len(far.frames) == 1)


def test_the_near_one_is_asked_first_and_takes_what_the_far_one_has(
    chain: TierChain, near: FakeBackend, far: FakeBackend
) -> None:
    chain.set_many(NAMESPACE, entries(1, 2, 3))
    wait_until(lambda: len(near.frames) == len(far.frames) == 3)
    del near.frames[key(2)], far.frames[key(3)]
    keys = [key(2), key(4), key(3), key(2)]
    assert chain.get_many(NAMESPACE, keys) == [entry(2), None, entry(3), entry(2)]
    stats = chain.stats()
    assert (stats["fake"].hits, stats["fake"].misses["absent"]) == (1, 2)
    assert (stats["far"].hits, stats["far"].misses["absent"]) == (1, 1)
    wait_until(lambda: key(2) in near.frames)
    assert chain.get_many(NAMESPACE, [key(2), key(1)]) == [entry(2), entry(1)]
    assert chain.stats()["far"].total_queries == 2  # which was not asked again
