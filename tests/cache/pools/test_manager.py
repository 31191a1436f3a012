"""The manager: its pools and their sizes, look-ups on two levels, statistics, adapting sizes, and what it refuses."""

import logging
from dataclasses import replace

import pytest
import torch
from tests.cache.pools.pool_twin import LAYOUT, SLIDING, context, number_of

from kvzero.cache import (
    CacheConfig,
    CacheStats,
    KVCacheManager,
    ManagerConfig,
    ManagerSettings,
    coded_context_bytes,
)
from kvzero.cache.pools import pool as pool_module
from kvzero.cache.pools.sizing import PoolUse, decide_size
from kvzero.errors import CacheError, ConfigError

SETTINGS = ManagerSettings(layout=LAYOUT, num_simulations=5, game_segment_length=7)


def manager_of(env_num: int = 3, **cache) -> KVCacheManager:
    return KVCacheManager(replace(SETTINGS, cache=CacheConfig(**cache)), env_num)


def test_pools_are_as_large_as_segments_searches_and_environments():
    manager = manager_of()
    assert [pool.pool_size for pool in manager.init_pools] == [7, 7, 7]
    assert (manager.recur_pool.pool_size, manager.wm_pool.pool_size) == (15, 3)
    chosen = manager_of(init_pool_size=2, recur_pool_size=4)
    assert ([pool.pool_size for pool in chosen.init_pools], chosen.recur_pool.pool_size) == ([2, 2, 2], 4)


def test_a_size_that_was_not_chosen_begins_as_the_bounds_allow():
    manager = manager_of(init_pool_bounds=(8, 20), recur_pool_bounds=(2, 30))
    assert ([pool.pool_size for pool in manager.init_pools], manager.recur_pool.pool_size) == ([8, 8, 8], 15)
    assert manager_of(init_pool_bounds=(2, 5)).init_pools[0].pool_size == 5


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
def test_memory_is_what_the_formula_says(layout):
    manager = KVCacheManager(replace(SETTINGS, layout=layout), 3, dtype=torch.bfloat16)
    assert manager.nbytes == (3 * 7 + 15 + 3) * layout.context_bytes(torch.bfloat16)
    stats = manager.stats()
    assert stats.total.bytes == manager.nbytes
    assert stats.total.pool_size == 3 * 7 + 15 + 3


@pytest.mark.parametrize("codec", ["float16", "int8"])
def test_all_pools_have_the_codec_and_the_budget_counts_what_it_leaves(codec):
    budget = (3 * 7 + 15 + 3) * coded_context_bytes(codec, LAYOUT, torch.float32)
    assert manager_of(pool_codec=codec, cache_max_bytes=budget).nbytes == budget
    with pytest.raises(ConfigError, match="pools of up to 39 contexts would take"):
        manager_of(pool_codec=codec, cache_max_bytes=budget - 1)


def test_pools_past_their_budget_are_refused_before_any_is_allocated(monkeypatch):
    budget = (3 * 7 + 15 + 3) * LAYOUT.context_bytes(torch.float32)
    manager_of(cache_max_bytes=budget)
    monkeypatch.setattr(pool_module.torch, "zeros", None)
    with pytest.raises(ConfigError, match=r"pools of up to 39 contexts would take .* bytes, and cache_max_bytes is"):
        manager_of(cache_max_bytes=budget - 1)
    with pytest.raises(ConfigError, match="pools of up to 51 contexts"):  # counted at their largest
        manager_of(cache_max_bytes=budget, init_pool_bounds=(2, 11))


def test_it_reads_what_the_protocol_names_and_nothing_else():
    class Other:
        layout = LAYOUT
        game_segment_length = 4
        num_simulations = 2
        cache = CacheConfig()

    assert isinstance(Other(), ManagerConfig)
    assert KVCacheManager(Other(), 2).init_pools[1].pool_size == 4


def test_each_environment_has_roots_of_its_own_and_all_share_the_nodes():
    manager = manager_of()
    manager.set_init_cache(0, 11, context(1))
    manager.set_init_cache(2, 11, context(2))
    manager.set_recur_cache(12, context(3))
    manager.set_wm_cache(13, context(4))
    assert [number_of(manager.get_init_cache(env, 11)) for env in range(3)] == [1, None, 2]
    assert number_of(manager.get_recur_cache(12)) == 3
    assert number_of(manager.get_wm_cache(13)) == 4
    assert manager.get_recur_cache(11) is manager.get_wm_cache(12) is None


def test_roots_are_looked_up_first_and_a_query_counts_once_where_it_is_answered():
    manager = manager_of()
    manager.set_init_cache(1, 11, context(1))
    manager.set_recur_cache(11, context(2))
    manager.set_recur_cache(12, context(3))
    assert [number_of(manager.hierarchical_get(1, key)) for key in (11, 12, 13)] == [1, 3, None]
    assert number_of(manager.hierarchical_get(0, 11)) == 2
    stats = manager.stats()
    assert [stats.init_pools[f"env_{env}"].total_queries for env in range(3)] == [0, 1, 0]
    assert (stats.recur_pool.hits, stats.recur_pool.misses) == (2, 1)
    assert (stats.total.hits, stats.total.misses, stats.total.total_queries) == (3, 1, 4)


def test_clearing_empties_what_it_names_and_leaves_statistics():
    manager = manager_of()

    def fill() -> None:
        for env in range(3):
            manager.set_init_cache(env, env, context(env))
        manager.set_recur_cache(1, context(1))
        manager.set_wm_cache(1, context(1))

    def sizes() -> list[int]:
        return [*map(len, manager.init_pools), len(manager.recur_pool), len(manager.wm_pool)]

    for clear, left in [
        (lambda: manager.clear_env(1), [1, 0, 1, 1, 1]),
        (manager.clear_init_caches, [0, 0, 0, 1, 1]),
        (manager.clear_recur_cache, [1, 1, 1, 0, 1]),
        (manager.clear_all, [0, 0, 0, 0, 0]),
    ]:
        fill()
        manager.hierarchical_get(1, 1)
        clear()
        assert sizes() == left
    assert manager.stats().total.hits == 4
    manager.reset_stats()
    assert manager.stats().total.total_queries == 0


def test_the_summary_has_one_line_per_pool():
    manager = manager_of(env_num=2, init_pool_size=4)
    for key in range(5):
        manager.set_init_cache(0, key, context(key))
    for key in (1, 2, 3, 4, 4, 0, 9):
        manager.get_init_cache(0, key)
    idle = "hits=0, misses=0, evictions=0, size=0, hit_rate=0.0%"
    assert manager.get_stats_summary() == {
        "stats_enabled": True,
        "init_pools": {"env_0": "hits=5, misses=2, evictions=1, size=4, hit_rate=71.4%", "env_1": idle},
        "recur_pool": idle,
        "wm_pool": idle,
    }


def test_without_statistics_there_is_no_counter():
    manager = KVCacheManager(SETTINGS, 2, False)
    assert manager.stats_enabled is False
    manager.set_init_cache(0, 1, context(1))
    assert number_of(manager.hierarchical_get(0, 1)) == 1
    manager.reset_stats()
    assert manager.recur_pool._counters is None
    assert manager.stats() is manager.recur_pool.stats is None
    assert manager.get_stats_summary() == {"stats_enabled": False}


def test_the_config_says_whether_statistics_are_kept_where_the_caller_does_not():
    silent = replace(SETTINGS, cache=CacheConfig(pool_stats=False))
    assert KVCacheManager(silent, 2).stats_enabled is False
    assert KVCacheManager(silent, 2).get_stats_summary() == {"stats_enabled": False}
    assert KVCacheManager(silent, 2, True).get_stats_summary()["stats_enabled"] is True
    assert KVCacheManager(SETTINGS, 2).stats_enabled is True


@pytest.mark.parametrize("env_id", [-1, 3])
def test_a_wrong_environment_is_told_which_there_are(env_id):
    manager = manager_of()
    for ask in (
        lambda: manager.get_init_cache(env_id, 1),
        lambda: manager.set_init_cache(env_id, 1, context(1)),
        lambda: manager.hierarchical_get(env_id, 1),
        lambda: manager.clear_env(env_id),
    ):
        with pytest.raises(CacheError, match=f"env_id is {env_id}; this manager serves environments 0 to 2"):
            ask()


@pytest.mark.parametrize(
    ("env_num", "cache", "message"),
    [
        (0, {}, "env_num is 0"),
        (2, {"recur_pool_bounds": (3, 9)}, "one search makes 10 nodes"),
        (
            2,
            {"init_pool_bounds": (8, 20), "init_pool_size": 7},
            r"init_pool_size is 7, out of init_pool_bounds \(8, 20",
        ),
        (2, {"recur_pool_bounds": (8, 20), "recur_pool_size": 21}, "recur_pool_size is 21, out of recur_pool_bounds"),
    ],
)
def test_sizes_that_do_not_fit_each_other_are_refused(env_num, cache, message):
    with pytest.raises(ConfigError, match=message):
        manager_of(env_num, **cache)


@pytest.mark.parametrize(
    ("cache", "message"),
    [
        ({"init_pool_size": 0}, "init_pool_size is 0; give at least 1"),
        ({"recur_pool_size": -2}, "recur_pool_size is -2"),
        ({"cache_max_bytes": 0}, "cache_max_bytes is 0"),
        ({"init_pool_bounds": (0, 4)}, r"init_pool_bounds is \(0, 4\); give the smallest size"),
        ({"recur_pool_bounds": (4, 4)}, r"recur_pool_bounds is \(4, 4\)"),
        ({"recur_pool_bounds": (4, 8), "pool_stats": False}, "pools adapt to statistics, which are off"),
    ],
)
def test_settings_that_cannot_work_are_refused(cache, message):
    with pytest.raises(ConfigError, match=message):
        CacheConfig(**cache)


@pytest.mark.parametrize(("name", "value"), [("key_mode", "colour"), ("eviction", "random")])
def test_unknown_choices_are_refused(name, value):
    config = CacheConfig()
    object.__setattr__(config, name, value)  # past the type checks of the test session
    with pytest.raises(ConfigError, match=f"{value!r}; choose one of"):
        config.__post_init__()


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (PoolUse(hits=800, misses=200, evictions=300, peak_size=16), 32),
        (PoolUse(hits=960, misses=40, evictions=300, peak_size=16), 16),  # answers nearly everything
        (PoolUse(hits=800, misses=200, evictions=0, peak_size=16), 16),  # asked for what it never had
        (PoolUse(hits=800, misses=200, evictions=50, peak_size=16), 16),
        (PoolUse(hits=1000, misses=0, evictions=0, peak_size=4), 8),
        (PoolUse(hits=1000, misses=0, evictions=0, peak_size=5), 16),
        (PoolUse(hits=1000, misses=0, evictions=1, peak_size=4), 16),
    ],
)
def test_a_pool_doubles_when_it_misses_what_it_threw_out_and_halves_when_it_stays_empty(use, wanted):
    assert decide_size(16, use) == wanted


def query(manager: KVCacheManager, env: int, keys: range, times: int) -> None:
    for _ in range(times):
        for key in keys:
            if manager.get_init_cache(env, key) is None:
                manager.set_init_cache(env, key, context(key))


def test_sizes_adapt_between_searches_within_their_bounds_and_it_is_logged(caplog):
    caplog.set_level(logging.INFO)
    manager = manager_of(init_pool_size=4, init_pool_bounds=(2, 10))
    sizes = []
    for _ in range(3):
        query(manager, 0, range(9), 120)  # 9 in turn through fewer slots: first in first out never has the next one
        sizes.append(manager.init_pools[0].pool_size)
        manager.clear_recur_cache()
    assert [*sizes, manager.init_pools[0].pool_size] == [4, 8, 10, 10]
    assert [pool.pool_size for pool in manager.init_pools[1:]] == [4, 4]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "init_pool of environment 0: 4 -> 8 slots",
        "init_pool of environment 0: 8 -> 10 slots",
    ]
    assert manager.stats().init_pools["env_0"].resizes == 2


def test_a_pool_that_stays_empty_shrinks_and_keeps_what_it_holds():
    manager = manager_of(init_pool_size=16, init_pool_bounds=(3, 16))
    for _ in range(3):
        query(manager, 1, range(2), 600)
        manager.clear_recur_cache()
    assert manager.init_pools[1].pool_size == 4  # two are a quarter of eight, and half of four
    manager.clear_env(1)
    for _ in range(3):
        query(manager, 1, range(1), 1100)
        manager.clear_recur_cache()
    assert manager.init_pools[1].pool_size == 3
    assert number_of(manager.get_init_cache(1, 0)) == 0


def test_a_search_in_progress_is_never_evicted_from():
    manager = manager_of(env_num=2, recur_pool_size=2, recur_pool_bounds=(2, 10))
    for key in range(10):  # one whole search of 2 environments and 5 simulations
        manager.set_recur_cache(key, context(key))
    assert [number_of(manager.get_recur_cache(key)) for key in range(10)] == list(range(10))
    assert manager.stats().recur_pool.evictions == 0
    assert manager.recur_pool.pool_size == 10
    manager.set_recur_cache(10, context(10))  # beyond a search the bounds hold
    assert manager.recur_pool.pool_size == 10


def test_figures_of_statistics():
    stats = CacheStats(hits=3, misses=1, evictions=2, size=4, pool_size=5, bytes=60, regenerate_seconds=0.5)
    assert (stats.total_queries, stats.hit_rate, stats.miss_rate) == (4, 0.75, 0.25)
    idle = CacheStats(hits=0, misses=0, evictions=0, size=0, pool_size=1, bytes=8)
    assert (idle.hit_rate, idle.miss_rate) == (0, 0)
    both = CacheStats.total([stats, idle])
    assert both.figures() == {
        "hits": 3, "misses": 1, "evictions": 2, "total_queries": 4, "size": 4, "pool_size": 6, "bytes": 68,
        "resizes": 0, "hit_rate": 0.75, "miss_rate": 0.25, "regenerate_seconds": 0.5,
    }  # fmt: skip
