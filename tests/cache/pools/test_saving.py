"""A manager that was saved and loaded goes on as the one that stayed, in any order of eviction and any codec."""

from dataclasses import replace
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.pools.pool_twin import LAYOUT, SLIDING, context

from kvzero.cache import CacheConfig, KVCacheManager, KVCachePool, ManagerSettings
from kvzero.errors import CacheError, CheckpointError, ConfigError, PoolFullError

SETTINGS = ManagerSettings(layout=LAYOUT, num_simulations=4, game_segment_length=3)
KEYS = st.one_of(st.integers(0, 5), st.just(2**64 - 1))
POOLS = st.integers(0, 3)


def move() -> st.SearchStrategy:
    return st.one_of(
        *[st.tuples(st.just(name), POOLS, KEYS) for name in ("set", "set", "set", "get", "get", "pin", "unpin")],
        st.tuples(st.just("priority"), POOLS, KEYS, st.sampled_from([-1.0, 2.5, float("inf")])),
        st.tuples(st.just("resize"), POOLS, st.integers(1, 5)),
        st.tuples(st.just("clear"), POOLS),
        st.tuples(st.just("end_search")),
    )


def manager_of(layout=LAYOUT, *, enable_stats=True, dtype=torch.float32, **cache) -> KVCacheManager:
    return KVCacheManager(replace(SETTINGS, layout=layout, cache=CacheConfig(**cache)), 2, enable_stats, dtype=dtype)


def do(manager: KVCacheManager, name: str, *arguments) -> object:
    """Do what is asked of one pool; return all that it tells."""
    if name == "end_search":
        return manager.clear_recur_cache()
    pool, arguments = manager.pools()[arguments[0]], arguments[1:]
    try:
        return getattr(Moves, name)(pool, *arguments)
    except (CacheError, ConfigError, PoolFullError) as error:
        return str(error)


class Moves:
    """What can be done to a pool."""

    pin, unpin, clear, resize = KVCachePool.pin, KVCachePool.unpin, KVCachePool.clear, KVCachePool.resize
    priority = KVCachePool.set_priority

    @staticmethod
    def set(pool: KVCachePool, key: int) -> int:
        return pool.set(key, context(key % 1000 + len(pool) / 7, pool.layout, size=key % 4))

    @staticmethod
    def get(pool: KVCachePool, key: int) -> object:
        found = pool.get(key)
        if found is None:
            return None
        tokens = None if found.tokens is None else found.tokens.tolist()
        return found.keys_values.tolist(), found.size, tokens


def everything(manager: KVCacheManager) -> object:
    pools = [(pool.keys(), pool.pool_size, pool.nbytes, pool.stats) for pool in manager.pools()]
    return pools, manager.stats(), [sizer.save() for sizer in manager.sizers()]


@settings(max_examples=40)
@given(
    cache=st.sampled_from(
        [
            {"eviction": "fifo"},
            {"eviction": "lru", "pool_codec": "int8"},
            {"eviction": "priority", "pool_codec": "float16"},
            {"eviction": "lru", "init_pool_bounds": (1, 6), "recur_pool_bounds": (2, 9)},
        ]
    ),
    layout=st.sampled_from([LAYOUT, SLIDING]),
    before=st.lists(move(), max_size=40),
    after=st.lists(move(), max_size=40),
)
def test_what_is_loaded_goes_on_as_what_was_saved(cache, layout, before, after):
    kept = manager_of(layout, **cache)
    for each in before:
        do(kept, *each)
    with TemporaryDirectory() as folder:
        kept.save(folder, made_by=b"weights")
        loaded = KVCacheManager.load(folder, made_by=b"weights")
    assert everything(loaded) == everything(kept)
    for each in [*after, *(("get", pool, key) for pool in range(4) for key in (0, 1, 2**64 - 1))]:
        assert do(loaded, *each) == do(kept, *each)
        assert everything(loaded) == everything(kept)


def test_a_number_type_and_the_absence_of_statistics_come_back(tmp_path):
    kept = manager_of(enable_stats=False, dtype=torch.bfloat16)
    kept.set_recur_cache(7, replace(context(3), keys_values=context(3).keys_values.bfloat16()))
    kept.save(tmp_path)
    loaded = KVCacheManager.load(tmp_path)
    assert loaded.get_recur_cache(7).keys_values.dtype is torch.bfloat16
    assert loaded.stats() is None
    assert loaded.nbytes == kept.nbytes


def test_saving_again_replaces_and_leaves_no_file_behind(tmp_path):
    for key in (1, 2):
        manager = manager_of()
        manager.set_wm_cache(key, context(key))
        manager.save(tmp_path)
    assert KVCacheManager.load(tmp_path).wm_pool.keys() == [2]
    assert len(list(tmp_path.iterdir())) == 2


def test_contexts_that_other_weights_made_are_refused(tmp_path):
    manager_of().save(tmp_path, made_by=b"\x01")
    with pytest.raises(CheckpointError, match=r"were made by 01, not by 02; .* begin with empty pools"):
        KVCacheManager.load(tmp_path, made_by=b"\x02")
    with pytest.raises(CheckpointError, match="were made by 01, not by nobody who is named"):
        KVCacheManager.load(tmp_path)


def test_a_folder_that_is_missing_or_damaged_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="is not a folder; give one that pools were saved to"):
        KVCacheManager.load(tmp_path / "nowhere")
    manager_of().save(tmp_path)
    next(tmp_path.glob("contexts-*")).write_bytes(b"half")
    with pytest.raises(CheckpointError, match="is damaged"):
        KVCacheManager.load(tmp_path)


def test_a_pool_takes_nothing_that_is_not_of_its_kind():
    state = KVCachePool(LAYOUT, 2).save()
    with pytest.raises(CacheError, match="not those of its layout and codec"):
        KVCachePool(LAYOUT, 2, codec="int8").load(state)
