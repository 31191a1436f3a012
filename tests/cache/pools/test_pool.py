"""The pool against a twin of a list, what it hands out, its memory, and what it refuses."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.pools.pool_twin import LAYOUT, SLIDING, PoolTwin, context, number_of

from kvzero.cache import (
    ContextBatch,
    ContextLayout,
    EvictionStrategy,
    KeysValues,
    KVCachePool,
    allocate_contexts,
    coded_context_bytes,
    from_bytes,
    to_bytes,
)
from kvzero.cache.pools import pool as pool_module
from kvzero.errors import CacheError, ConfigError, PoolFullError

STRATEGIES = ["fifo", "lru", "priority"]
KEYS = st.integers(0, 9)


def some_move() -> st.SearchStrategy:
    return st.one_of(
        st.tuples(st.just("set"), KEYS),
        st.tuples(st.just("set"), KEYS),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("pin"), KEYS),
        st.tuples(st.just("unpin"), KEYS),
        st.tuples(st.just("priority"), KEYS, st.integers(-2, 5).map(float)),
        st.tuples(st.just("resize"), st.integers(1, 7)),
        st.tuples(st.just("clear")),
        st.tuples(st.just("batch"), st.lists(KEYS, min_size=1, max_size=6)),
    )


class Pair:
    """A pool and its twin, moved together."""

    def __init__(self, strategy: str, pool_size: int) -> None:
        self.pool = KVCachePool(LAYOUT, pool_size, eviction_strategy=strategy)
        self.twin = PoolTwin(pool_size, strategy)
        self.made = 0

    def set(self, key: int) -> None:
        self.made += 1
        if self.twin.set(key, self.made):
            assert 0 <= self.pool.set(key, context(self.made)) < self.pool.pool_size
        else:
            with pytest.raises(PoolFullError, match="slots are pinned"):
                self.pool.set(key, context(self.made))

    def batch(self, keys: list[int]) -> None:
        numbers = torch.arange(self.made + 1, self.made + 1 + len(keys)).float()
        stacked = numbers.view(-1, 1, 1, 1, 1, 1).expand(-1, *LAYOUT.context_shape)
        batch = ContextBatch(stacked, np.full(len(keys), 3))
        self.made += len(keys)
        before = deepcopy(self.twin)
        if all(self.twin.set(key, int(number)) for key, number in zip(keys, numbers.tolist(), strict=True)):
            self.pool.set_many(keys, batch)
        else:
            self.twin = before  # all or nothing
            with pytest.raises(PoolFullError, match="slots are pinned"):
                self.pool.set_many(keys, batch)

    def get(self, key: int) -> None:
        assert number_of(self.pool.get(key)) == self.twin.get(key)

    def pin(self, key: int) -> None:
        entry = self.twin.find(key)
        if entry is None:
            with pytest.raises(CacheError, match="there is no entry"):
                self.pool.pin(key)
        else:
            entry.is_pinned = True
            self.pool.pin(key)

    def unpin(self, key: int) -> None:
        self.twin.unpin(key)
        self.pool.unpin(key)

    def priority(self, key: int, priority: float) -> None:
        entry = self.twin.find(key)
        if entry is None or self.twin.strategy != "priority":
            with pytest.raises((CacheError, ConfigError), match=r"there is no entry|a priority has no effect"):
                self.pool.set_priority(key, priority)
        else:
            entry.priority = priority
            self.pool.set_priority(key, priority)

    def resize(self, pool_size: int) -> None:
        if self.twin.resize(pool_size):
            self.pool.resize(pool_size)
        else:
            with pytest.raises(PoolFullError, match="cannot shrink"):
                self.pool.resize(pool_size)

    def clear(self) -> None:
        self.twin.entries.clear()
        self.pool.clear()

    def compare(self) -> None:
        twin, pool = self.twin, self.pool
        assert pool.keys() == [entry.key for entry in twin.entries]
        assert len(pool) == len(twin.entries)
        assert pool.pool_size == twin.pool_size
        stats = pool.stats
        assert (stats.hits, stats.misses, stats.evictions) == (twin.hits, twin.misses, twin.evictions)


@settings(max_examples=150)
@given(strategy=st.sampled_from(STRATEGIES), pool_size=st.integers(1, 6), moves=st.lists(some_move(), max_size=60))
def test_any_life_of_a_pool_equals_that_of_a_list(strategy, pool_size, moves):
    pair = Pair(strategy, pool_size)
    for name, *arguments in moves:
        getattr(pair, name)(*arguments)
        pair.compare()
    for key in range(10):
        pair.get(key)
        assert (key in pair.pool) == (pair.twin.find(key) is not None)


def test_thirty_entries_through_a_pool_of_twenty_evict_ten_oldest_first():
    pool = KVCachePool(LAYOUT, 20)
    for key in range(30):
        pool.set(key, context(key))
    assert pool.keys() == list(range(10, 30))
    assert pool.stats.evictions == 10


def test_the_least_recently_used_goes_and_what_was_read_stays():
    pool = KVCachePool(LAYOUT, 3, eviction_strategy=EvictionStrategy.LRU)
    for key in (1, 2, 3):
        pool.set(key, context(key))
    pool.get(1)
    pool.set(2, context(22))
    pool.set(4, context(4))
    assert pool.keys() == [1, 2, 4]


def test_priority_is_the_number_of_reads_until_it_is_set():
    pool = KVCachePool(LAYOUT, 2, eviction_strategy="priority")
    pool.set(1, context(1))
    pool.set(2, context(2))
    pool.get(1)
    pool.set(3, context(3))
    assert pool.keys() == [1, 3]
    pool.set_priority(3, 2.5)
    pool.get(1)
    pool.set(4, context(4))  # 1 was read twice, 3 is worth 2.5
    assert pool.keys() == [3, 4]


def test_a_priority_that_was_set_goes_with_its_entry_and_does_not_hold_for_the_next_one_of_its_key():
    pool = KVCachePool(LAYOUT, 2, eviction_strategy="priority")
    pool.set(1, context(1))
    pool.set_priority(1, -1.0)
    for key in (2, 3, 1):
        pool.set(key, context(key))
    assert pool.keys() == [3, 1]
    for key in (1, 1, 3):
        pool.get(key)
    pool.set(4, context(4))  # 1 was read twice, 3 once
    assert pool.keys() == [1, 4]


def test_a_priority_that_is_no_number_is_refused():
    pool = KVCachePool(LAYOUT, 2, eviction_strategy="priority")
    pool.set(1, context(1))
    with pytest.raises(ConfigError, match="the priority of entry 1 is nan"):
        pool.set_priority(1, float("nan"))


def test_a_slot_that_is_freed_is_used_again_and_a_known_key_keeps_its_own():
    pool = KVCachePool(LAYOUT, 2)
    slots = [pool.set(key, context(key)) for key in (5, 6, 5, 7)]
    assert slots[0] == slots[2] == slots[3] != slots[1]
    assert number_of(pool.get(7)) == 7


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
def test_no_gradient_goes_in(layout):
    pool, entry = KVCachePool(layout, 2), context(3, layout)
    weight = torch.ones(1, requires_grad=True)
    tokens = None if entry.tokens is None else entry.tokens * weight
    grown = KeysValues(entry.keys_values * weight, entry.size, tokens)
    pool.set(1, grown)
    batch = KeysValues.clone(grown)
    for held in (pool.get(1), batch):
        assert not held.keys_values.requires_grad
        assert held.tokens is None or not held.tokens.requires_grad
    assert number_of(pool.get(1)) == 3
    rows = ContextBatch(grown.keys_values[None], np.array([entry.size]), None if tokens is None else tokens[None])
    pool.set_many([2], rows)
    assert not pool.get(2).keys_values.requires_grad


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
def test_nothing_that_goes_in_or_comes_out_shares_memory_with_the_pool(layout):
    pool = KVCachePool(layout, 2)
    given_entry = context(1, layout, size=2)
    pool.set(8, given_entry)
    given_entry.keys_values.fill_(-9)
    held = pool.get(8)
    assert (number_of(held), held.size) == (1, 2)
    if layout.is_sliding:
        given_entry.tokens.fill_(-9)
        assert held.tokens.unique().tolist() == [-1]
    held.keys_values.fill_(-8)
    assert number_of(pool.get(8)) == 1
    before = pool.get(8)
    for number in range(2, 7):
        pool.set(number % 4 + 7, context(number, layout))
    pool.resize(1)
    pool.clear()
    assert number_of(before) == 1


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
def test_a_batch_is_written_and_read_as_its_rows_one_by_one(layout):
    batch = ContextBatch(
        torch.arange(3.0).view(3, 1, 1, 1, 1, 1).expand(3, *layout.context_shape).clone(),
        np.array([1, 0, 3]),
        torch.arange(3.0).view(3, 1, 1).expand(3, layout.context_tokens, layout.embed_dim).clone()
        if layout.is_sliding
        else None,
    )
    pool = KVCachePool(layout, 5)
    pool.set_many([7, 8, 9], batch)
    for row, key in enumerate([7, 8, 9]):
        entry = pool.get(key)
        assert (number_of(entry), entry.size) == (row, batch.sizes[row])
        if layout.is_sliding:
            assert entry.tokens.unique().tolist() == [row]
    out = ContextBatch(
        torch.full_like(batch.keys_values, -1),
        np.full(3, -1),
        None if batch.tokens is None else torch.full_like(batch.tokens, -1),
    )
    pool.copy_out([pool.find(9), pool.find(8)], out, [0, 2])
    assert out.keys_values[:, 0, 0, 0, 0, 0].tolist() == [2, -1, 1]
    assert out.sizes.tolist() == [3, -1, 0]
    if layout.is_sliding:
        assert out.tokens[:, 0, 0].tolist() == [2, -1, 1]


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_is_what_the_formula_says_and_never_grows(layout, dtype):
    pool = KVCachePool(layout, 7, dtype=dtype)
    width = layout.num_heads * layout.head_dim
    numbers = layout.context_tokens * (2 * layout.num_layers * width + (width if layout.is_sliding else 0))
    assert pool.nbytes == pool.stats.bytes == 7 * numbers * dtype.itemsize
    assert pool.nbytes == 7 * layout.context_bytes(dtype)
    pool.resize(5)
    assert pool.nbytes == 5 * layout.context_bytes(dtype)


@pytest.mark.parametrize("layout", [LAYOUT, SLIDING], ids=["rotary", "sliding"])
@pytest.mark.parametrize("codec", ["float16", "int8"])
def test_a_pool_with_a_codec_gives_back_what_the_codec_does_on_every_way(layout, codec):
    generator = torch.Generator().manual_seed(3)
    numbers = torch.randn(3, *layout.context_shape, generator=generator)
    tokens = torch.randn(3, layout.context_tokens, layout.embed_dim, generator=generator) if layout.is_sliding else None
    batch = ContextBatch(numbers, np.array([1, 2, 3]), tokens)
    pool = KVCachePool(layout, 4, codec=codec)
    pool.set(6, batch.row(0))
    pool.set_many([7, 8], ContextBatch(numbers[1:], batch.sizes[1:], None if tokens is None else tokens[1:]))
    pool.resize(3)
    rows, whole = (allocate_contexts(layout, 3, pool_module.CPU, torch.float32) for _ in range(2))
    for row, key in enumerate((6, 7, 8)):
        pool.copy_row(pool.find(key), rows, row)
    pool.copy_out([pool.find(key) for key in (6, 7, 8)], whole, [0, 1, 2])
    for name, wanted in (("keys_values", numbers), ("tokens", tokens)):
        if wanted is not None:
            back = from_bytes(codec, to_bytes(codec, wanted), wanted.shape, wanted.dtype)
            assert 0 < (back - wanted).abs().max() < 0.02
            one_by_one = torch.stack([getattr(pool.get(key), name) for key in (6, 7, 8)])
            for found in (one_by_one, getattr(rows, name), getattr(whole, name)):
                assert torch.equal(found, back)
    assert pool.nbytes == pool.stats.bytes == 3 * coded_context_bytes(codec, layout, torch.float32)


@pytest.mark.parametrize("pool_size", [0, -3])
def test_a_pool_without_slots_is_refused(pool_size):
    with pytest.raises(ConfigError, match=f"pool_size is {pool_size}; give a pool at least 1 slot"):
        KVCachePool(LAYOUT, pool_size)
    pool = KVCachePool(LAYOUT, 2)
    pool.set(1, context(1))
    with pytest.raises(ConfigError, match=f"pool_size is {pool_size}"):
        pool.resize(pool_size)
    assert (pool.keys(), pool.pool_size, number_of(pool.get(1))) == ([1], 2, 1)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ConfigError, match="eviction strategy is 'random'; choose one of fifo, lru, priority"):
        KVCachePool(LAYOUT, 2, eviction_strategy="random")


@pytest.mark.parametrize("key", ["7", 7.0, True, None, (7,)], ids=repr)
def test_a_foreign_key_is_refused_and_changes_nothing(key):
    pool = KVCachePool(LAYOUT, 1)
    pool.set(1, context(1))
    for ask in (lambda: pool.set(key, context(2)), lambda: pool.get(key), lambda: pool.set_priority(key, 1.0)):
        with pytest.raises(CacheError, match=r"a cache key is .*give an int"):
            ask()
    assert pool.stats.total_queries == 0
    assert number_of(pool.get(1)) == 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (context(2, replace(LAYOUT, context_tokens=6)), "this one has shape"),
        (context(2, replace(LAYOUT, num_heads=4)), "this one has shape"),
        (KeysValues(torch.zeros(LAYOUT.context_shape, dtype=torch.float64), 1), "torch.float64"),
        (KeysValues(torch.zeros(LAYOUT.context_shape, device="meta"), 1), "on meta"),
        (KeysValues(torch.zeros(LAYOUT.context_shape), 1, torch.zeros(4, 15)), "only if, its layout is sliding"),
    ],
    ids=["longer", "wider", "dtype", "device", "tokens"],
)
def test_an_entry_that_does_not_fit_is_refused_and_changes_nothing(entry, message):
    pool = KVCachePool(LAYOUT, 1)
    pool.set(1, context(1))
    with pytest.raises(CacheError, match=message):
        pool.set(2, entry)
    assert (pool.keys(), number_of(pool.get(1)), pool.stats.evictions) == ([1], 1, 0)


def rows(number: int, shape: tuple[int, ...] = LAYOUT.context_shape, **kinds) -> ContextBatch:
    return ContextBatch(torch.zeros(number, *shape, **kinds), np.full(number, 3))


@pytest.mark.parametrize(
    ("keys", "batch", "message"),
    [
        ([1, 2, 3], rows(2), "3 keys came with 2 contexts; give as many"),
        ([1, 2], rows(3), "2 keys came with 3 contexts"),
        ([2, 3], rows(2, (6, *LAYOUT.context_shape[1:])), "this one has shape"),
        ([2, 3], rows(2, dtype=torch.float64), "torch.float64"),
        ([2, 3], rows(2, device="meta"), "on meta"),
        ([2, 3], replace(rows(2), tokens=torch.zeros(2, 4, 15)), "only if, its layout is sliding"),
    ],
    ids=["few", "many", "longer", "dtype", "device", "tokens"],
)
def test_a_batch_that_does_not_fit_is_refused_and_changes_nothing(keys, batch, message):
    pool = KVCachePool(LAYOUT, 1)
    pool.set(1, context(1))
    with pytest.raises(CacheError, match=message):
        pool.set_many(keys, batch)
    assert (pool.keys(), number_of(pool.get(1)), pool.get(1).size, pool.stats.evictions) == ([1], 1, 3, 0)


def test_raw_tokens_must_fit_a_sliding_pool():
    pool, entry = KVCachePool(SLIDING, 1), context(1, SLIDING)
    with pytest.raises(CacheError, match="only if, its layout is sliding"):
        pool.set(1, KeysValues(entry.keys_values, 3))
    with pytest.raises(CacheError, match=r"raw tokens of shape \(8, 6\)"):
        pool.set(1, KeysValues(entry.keys_values, 3, entry.tokens[:, 1:]))
    assert len(pool) == 0


@pytest.mark.parametrize("size", [-1, 5])
def test_a_context_longer_than_its_window_is_refused(size):
    with pytest.raises(CacheError, match=f"a context of {size} tokens does not fit a window of 4"):
        context(1, size=size)


def test_a_full_pool_of_pinned_entries_refuses_and_stays_as_it_was():
    pool = KVCachePool(LAYOUT, 2, eviction_strategy="lru")
    for key in (1, 2):
        pool.set(key, context(key))
        pool.pin(key)
    with pytest.raises(PoolFullError, match="all 2 slots are pinned; unpin"):
        pool.set(3, context(3))
    pool.set(2, context(22))  # in place
    assert [number_of(pool.get(key)) for key in (1, 2)] == [1, 22]
    pool.unpin(1)
    pool.set(3, context(3))
    assert pool.keys() == [2, 3]


@pytest.mark.parametrize("kind", [CacheError, RuntimeError, ValueError])
def test_a_full_pool_is_caught_as_everything_else_that_a_cache_cannot_take(kind):
    pool = KVCachePool(LAYOUT, 1)
    pool.set(1, context(1))
    pool.pin(1)
    with pytest.raises(kind, match="all 1 slots are pinned"):
        pool.set(2, context(2))


def test_a_pool_made_in_inference_mode_serves_outside_of_it():
    with torch.inference_mode():
        pool = KVCachePool(LAYOUT, 2)
    pool.set(1, context(1))
    assert number_of(pool.get(1)) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_eviction_costs_the_same_in_small_pools_and_in_large_ones(strategy):
    tiny = ContextLayout(num_layers=1, num_heads=1, head_dim=1, context_tokens=2)
    table = KVCachePool(tiny, 1, eviction_strategy=strategy)._table

    def seconds(capacity: int) -> float:
        table.clear()
        table.resize(capacity)
        for key in range(capacity):
            table.place(key)
        before = time.process_time()
        for key in range(capacity, capacity + 20_000):
            table.place(key)
            table.find(key)
        return time.process_time() - before

    small, large = min(seconds(50) for _ in range(3)), min(seconds(20_000) for _ in range(3))
    assert large < 8 * small + 0.05  # a scan for the oldest would take 400 times as long


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_threads_that_share_a_pool_are_given_the_contexts_of_their_own_keys(strategy: str) -> None:
    """A context's numbers are its key: whoever is given others met a slot that was written meanwhile."""
    layout = ContextLayout(
        num_layers=2, num_heads=4, head_dim=32, context_tokens=16
    )  # large, so that a copy takes long
    pool, num_keys = KVCachePool(layout, 3, eviction_strategy=strategy), 12
    entries = [KeysValues(torch.full(layout.context_shape, float(key)), 1) for key in range(num_keys)]
    before = sys.getswitchinterval()

    def play(seed: int) -> int:
        rng, num_hits = np.random.default_rng(seed), 0
        for key in rng.integers(num_keys, size=400).tolist():
            found = pool.get(key)
            if found is None:
                pool.set(key, entries[key])
            else:
                assert found.keys_values.min() == found.keys_values.max() == key
                num_hits += 1
        return num_hits

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            num_hits = sum(threads.map(play, range(4)))
    finally:
        sys.setswitchinterval(before)
    stats = pool.stats
    assert (stats.hits, stats.hits + stats.misses, len(pool)) == (num_hits, 1600, 3)


def test_a_copy_of_a_pool_is_shared_with_nobody() -> None:
    pool = KVCachePool(LAYOUT, 2)
    pool.set(1, context(7))
    twin = deepcopy(pool)
    pool.clear()
    assert twin.lock is not pool.lock
    assert number_of(twin.get(1)) == 7
