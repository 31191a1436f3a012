"""The older caches beside the newer ones: the same scenarios, and the two faults that were mended."""

import pytest
from tests.cache.pools.pool_twin import LAYOUT, context, number_of

from kvzero.cache import CacheConfig, KVCachePool, LegacyCaches, LegacyRing, ManagerSettings, RingParts
from kvzero.errors import CacheError, ConfigError


def ring_of(pool_size: int) -> LegacyRing:
    return LegacyRing(RingParts.empty(1, pool_size))


POOLS = [lambda size: KVCachePool(LAYOUT, size), ring_of]


@pytest.mark.parametrize("make", POOLS, ids=["new", "old"])
def test_thirty_roots_through_twenty_slots_evict_ten_oldest_first(make):
    pool = make(20)
    for key in range(30):
        pool.set(key, context(key))
    assert [key for key in range(30) if key in pool] == list(range(10, 30))
    assert [number_of(pool.get(key)) for key in (9, 10, 29)] == [None, 10, 29]
    stats = pool.stats
    assert (stats.evictions, stats.size, stats.hits, stats.misses) == (10, 20, 2, 1)


@pytest.mark.parametrize("make", POOLS, ids=["new", "old"])
def test_clearing_empties_and_statistics_survive(make):
    pool = make(3)
    pool.set(1, context(1))
    pool.get(1)
    pool.get(2)
    pool.clear()
    assert 1 not in pool
    stats = pool.stats
    assert (stats.size, stats.hits, stats.misses, stats.total_queries) == (0, 1, 1, 2)
    assert pool.set(5, context(5)) == 0


@pytest.mark.parametrize("make", POOLS, ids=["new", "old"])
def test_what_was_given_can_change_without_the_entry(make):
    pool, entry = make(1), context(3)
    pool.set(1, entry)
    entry.keys_values.fill_(-1)
    assert number_of(pool.get(1)) == 3


def test_a_slot_that_is_used_again_never_deletes_a_key_that_lives_elsewhere():
    ring = ring_of(3)
    ring.set(7, context(1))
    ring.set(7, context(2))  # a second slot, and the first still says 7
    ring.set(8, context(3))
    ring.set(9, context(4))  # the first slot again
    assert [number_of(ring.get(key)) for key in (7, 8, 9)] == [2, 3, 4]
    assert ring.stats.evictions == 0
    ring.set(6, context(5))
    assert 7 not in ring
    assert ring.stats.evictions == 1


def test_clearing_clears_all_four_parts():
    ring = ring_of(2)
    for key in range(3):
        ring.set(key, context(key))
    ring.clear()
    assert (ring.slots, ring.keys, ring.shared_pool, ring.pointer) == ({}, [None, None], [None, None], 0)
    ring.set(5, context(5))
    ring.set(6, context(6))
    assert 5 in ring
    assert ring.nbytes == 2 * context(0).keys_values.nbytes


def test_environments_have_rings_of_their_own_and_clear_together():
    caches = LegacyCaches(ManagerSettings(layout=LAYOUT, num_simulations=2, game_segment_length=3), 2)
    caches.init_ring(1).set(7, context(1))
    caches.recur_ring.set(8, context(2))
    assert caches.past_kv_cache_init_infer_envs == [{}, {7: 0}]
    assert caches.past_kv_cache_recurrent_infer == {8: 0}
    assert [len(pool) for pool in caches.shared_pool_init_infer] == [3, 3]
    assert number_of(caches.shared_pool_recur_infer[0]) == 2
    for env_id in (-1, 2):
        with pytest.raises(CacheError, match=f"env_id is {env_id}; these caches serve environments 0 to 1"):
            caches.init_ring(env_id)
    caches.clear()
    assert caches.past_kv_cache_init_infer_envs == [{}, {}]
    assert caches.past_kv_cache_recurrent_infer == {}


def test_rings_side_by_side_are_made_of_parts_that_may_be_written_into():
    parts = RingParts.empty(2, 3)
    first, second = (LegacyRing(parts, number) for number in range(2))
    second.set(7, context(1))
    parts.pointers[0] = 2
    assert first.copy(context(2)) == 2
    assert 8 not in first
    parts.slots[0][8], parts.keys[0][2] = 2, 8
    assert number_of(first.get(8)) == 2
    assert (parts.slots, parts.pointers) == ([{8: 2}, {7: 0}], [2, 1])
    parts.keys[1][0] = 9  # the map back says that the slot is another's
    assert second.get(7) is None


def test_a_copy_without_a_key_takes_the_place_of_an_entry():
    ring = ring_of(2)
    ring.set(7, context(1))
    ring.pointer = 0
    assert ring.copy(context(2)) == ring.pointer == 0
    assert (ring.slots, ring.keys, ring.stats.evictions) == ({}, [None, None], 1)
    ring.pointer = 2
    for write in (lambda: ring.copy(context(3)), lambda: ring.set(7, context(3))):
        with pytest.raises(CacheError, match="the pointer shows slot 2 of 2"):
            write()


@pytest.mark.parametrize("pool_size", [0, -4])
def test_a_ring_without_slots_is_refused(pool_size):
    with pytest.raises(ConfigError, match=f"pool_size is {pool_size}"):
        ring_of(pool_size)


def test_rings_round_nothing():
    settings = ManagerSettings(layout=LAYOUT, num_simulations=2, cache=CacheConfig(pool_codec="int8"))
    with pytest.raises(ConfigError, match="pool_codec is int8, but rings keep every bit"):
        LegacyCaches(settings, 2)


def test_the_config_says_whether_statistics_are_kept_where_the_caller_does_not():
    settings = ManagerSettings(layout=LAYOUT, num_simulations=2, cache=CacheConfig(pool_stats=False))
    assert LegacyCaches(settings, 2).recur_ring.stats is LegacyCaches(settings, 2).init_ring(1).stats is None
    assert LegacyCaches(settings, 2, True).init_ring(1).stats is not None


def test_without_statistics_there_is_no_counter():
    ring = LegacyRing(RingParts.empty(1, 1), enable_stats=False)
    ring.set(1, context(1))
    ring.set(2, context(2))
    ring.get(2)
    ring.count_miss()
    ring.count_regeneration(1.0)
    assert ring.stats is ring._counters is None
