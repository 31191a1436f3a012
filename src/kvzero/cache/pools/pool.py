"""A fixed number of contexts under keys: allocated once, found in O(1), evicted by themselves."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from kvzero.cache.codecs import CodecName
from kvzero.cache.layout import ContextLayout
from kvzero.cache.pools.coded_slots import CodedSlots
from kvzero.cache.pools.eviction import EvictionStrategy, read_strategy
from kvzero.cache.pools.keys_values import ContextBatch, KeysValues, check_context
from kvzero.cache.pools.slots import SavedTable, SlotTable
from kvzero.cache.pools.stats import CacheStats, Counters
from kvzero.checks import read_int
from kvzero.errors import CacheError

__all__ = ["CPU", "KVCachePool", "PoolState", "read_key"]

CPU = torch.device("cpu")

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PoolState:
    """All that a pool holds and knows beside what it was made with."""

    table: SavedTable
    """Who lives where, and who goes next."""

    sizes: tuple[int, ...]
    """Tokens of each context, in the order of the table's entries."""

    counters: Counters | None
    """What was counted; None where statistics are off."""

    parts: tuple[Tensor, ...]
    """Keys and values, and raw tokens where there are any, in the same order, as the pool's codec wrote them."""


def whole(
    method: Callable[Concatenate["KVCachePool", Arguments], Answer],
) -> Callable[Concatenate["KVCachePool", Arguments], Answer]:
    """Let no other thread see a pool, or change it, while a method is at work: between slot and copy, above all."""

    @wraps(method)
    def call(pool: "KVCachePool", /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
        with pool.lock:
            return method(pool, *arguments, **options)

    return call


class KVCachePool:
    """Keeps contexts under integer keys in slots that are allocated once and reused.

    What `get` returns is a copy, and `set` copies too: neither ever shares memory with the pool. Writing a known key
    updates its slot in place. A full pool evicts by its strategy, in O(1) for FIFO and LRU and amortised O(log n) for
    PRIORITY. Memory is `pool_size * C * 2 * L * E` numbers, whatever is in it, and `C * E` more per slot where the
    layout is sliding (`ContextLayout.context_bytes` gives one slot's share). With a codec it is two to four times less,
    and what `get` returns is no longer exactly what `set` was given, see `kvzero.cache.codecs`; raw tokens, which have
    no heads, have one scale each.

    Threads may share a pool: each call is whole before the next begins. Where one look-up takes two calls, `find` and
    then a copy, hold `lock` over both.
    """

    def __init__(
        self,
        layout: ContextLayout,
        pool_size: int,
        *,
        eviction_strategy: EvictionStrategy | str = EvictionStrategy.FIFO,
        enable_stats: bool = True,
        name: str = "pool",
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
        codec: CodecName = "none",
    ) -> None:
        """Allocate the slots.

        Raises:
            ConfigError: if the size is not positive, the strategy or the codec is unknown, or the codec would make
                numbers of this type no smaller; nothing has been allocated then.
        """
        pool_size = read_int("pool_size", pool_size)
        self.lock = RLock()
        self.layout = layout
        self.name = name
        self.codec = codec
        self._device, self._dtype = device, dtype
        self.eviction_strategy = read_strategy(eviction_strategy)
        self._table = SlotTable(pool_size, self.eviction_strategy)
        self._allocate(pool_size)
        self._sizes = [0] * pool_size
        self._counters = Counters() if enable_stats else None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=RLock())  # a copy has a lock of its own

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, cache_key: object) -> bool:
        return cache_key in self._table

    @property
    def pool_size(self) -> int:
        """Contexts that fit."""
        return self._table.capacity

    @property
    def device(self) -> torch.device:
        """Where the contexts are."""
        return self._keys_values.device

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return self._keys_values.nbytes + (0 if self._tokens is None else self._tokens.nbytes)

    @whole
    def keys(self) -> list[int]:
        """Return the keys of all entries, in the order in which they were added."""
        return list(self._table)

    @whole
    def get(self, cache_key: Hashable) -> KeysValues | None:
        """Return a copy of the context under a key, which nothing that happens to the pool will change; None if absent.

        Raises:
            CacheError: if the key is not an int.
        """
        slot = self.find(read_key(cache_key))
        if slot is None:
            return None
        tokens = None if self._tokens is None else self._tokens.read(slot)
        return KeysValues(self._keys_values.read(slot), self._sizes[slot], tokens)

    @whole
    def set(self, cache_key: Hashable, kv_cache: KeysValues) -> int:
        """Copy a context into the pool, evicting another where there is no room; return its slot.

        Gradients are not kept: they would hold on to all that the context was computed from.

        Raises:
            CacheError: if the key is not an int, or shape, dtype or device are not the pool's.
            PoolFullError: if there is no room and every entry is pinned. The pool is unchanged in all cases.
        """
        key = read_key(cache_key)
        self._check_entry(kv_cache)
        slot = self._place(key)
        self._keys_values.write(slot, kv_cache.keys_values)
        if self._tokens is not None and kv_cache.tokens is not None:
            self._tokens.write(slot, kv_cache.tokens)
        self._sizes[slot] = kv_cache.size
        return slot

    @whole
    def find(self, key: int, *, is_counted: bool = True) -> int | None:
        """Return the slot of a key, counting the query unless told not to; None if it is absent.

        The slot holds good until the next write, `clear` or `resize`.
        """
        slot = self._table.find(key)
        if is_counted and self._counters is not None:
            self._counters.count_query(is_hit=slot is not None)
        return slot

    @whole
    def copy_row(self, slot: int, batch: ContextBatch, row: int) -> None:
        """Copy the context in one slot into one row of a batch."""
        self._keys_values.copy_to(slot, batch.keys_values[row])
        if self._tokens is not None and batch.tokens is not None:
            self._tokens.copy_to(slot, batch.tokens[row])
        batch.sizes[row] = self._sizes[slot]

    @whole
    def copy_out(self, slots: Sequence[int], batch: ContextBatch, rows: Sequence[int]) -> None:
        """Copy the contexts in these slots into these rows of a batch."""
        source, target = self._index(slots), self._index(rows)
        is_whole = len(rows) == len(batch.sizes) and list(rows) == list(range(len(rows)))
        _copy(self._keys_values.read_many(source), batch.keys_values, None if is_whole else target)
        if self._tokens is not None and batch.tokens is not None:
            _copy(self._tokens.read_many(source), batch.tokens, None if is_whole else target)
        batch.sizes[list(rows)] = [self._sizes[slot] for slot in slots]

    @whole
    def set_many(self, keys: Sequence[int], batch: ContextBatch) -> None:
        """Copy a batch of contexts into the pool, as `set` does for one after the other, but all or none.

        Raises:
            CacheError: if a key is not an int, there are not as many keys as contexts, or their shape, dtype or device
                are not the pool's.
            PoolFullError: if there is no room and every entry is pinned. The pool is unchanged in all cases.
        """
        known = [read_key(key) for key in keys]
        self._check_batch(len(known), batch)
        sizes = batch.sizes.tolist()
        # Of rows with one slot the last one counts. If all are pinned, the first key without a slot is refused, and
        # those before it kept theirs; if not, somebody can always go, if need be who has just come.
        last_rows = {self._place(key): row for row, key in enumerate(known)}
        slots, rows = list(last_rows), list(last_rows.values())
        for slot, row in last_rows.items():
            self._sizes[slot] = sizes[row]
        is_whole = len(rows) == len(sizes)
        source, target = self._index(rows), self._index(slots)
        self._keys_values.write_many(target, batch.keys_values if is_whole else batch.keys_values[source])
        if self._tokens is not None and batch.tokens is not None:
            self._tokens.write_many(target, batch.tokens if is_whole else batch.tokens[source])

    @whole
    def pin(self, key: int) -> None:
        """Keep an entry from eviction until it is unpinned or the pool cleared.

        Raises:
            CacheError: if there is no such entry.
        """
        self._table.pin(key)

    @whole
    def unpin(self, key: int) -> None:
        """Let an entry be evicted again; one that is absent or not pinned stays as it is."""
        self._table.unpin(key)

    @whole
    def set_priority(self, cache_key: Hashable, priority: float) -> None:
        """Give an entry a priority of its own in place of its number of reads; the lowest is evicted first.

        Raises:
            CacheError: if there is no such entry.
            ConfigError: if the pool's strategy is not PRIORITY, or the priority is not a number (NaN).
        """
        self._table.set_priority(read_key(cache_key), priority)

    @whole
    def clear(self) -> None:
        """Forget all entries; statistics go on."""
        self._table.clear()

    @whole
    def resize(self, pool_size: int) -> None:
        """Change how many contexts fit, keeping what is there; whoever does not fit any more is evicted.

        Raises:
            ConfigError: if the size is not positive.
            PoolFullError: if more entries are pinned than would fit. The pool is unchanged in all cases.
        """
        pool_size = read_int("pool_size", pool_size)
        old_slots, num_evicted = self._table.resize(pool_size)
        old_keys_values, old_tokens, old_sizes = self._keys_values, self._tokens, self._sizes
        kept = self._index(old_slots)
        self._allocate(pool_size)
        self._keys_values.take_over(old_keys_values, kept)
        if self._tokens is not None and old_tokens is not None:
            self._tokens.take_over(old_tokens, kept)
        self._sizes = [old_sizes[slot] for slot in old_slots] + [0] * (pool_size - len(old_slots))
        if self._counters is not None:
            self._counters.evictions += num_evicted
            self._counters.resizes += 1

    @whole
    def save(self) -> PoolState:
        """Return copies of all that the pool holds and knows."""
        table = self._table.save()
        slots = [slot for _, slot in table.slots]
        index = self._index(slots)
        return PoolState(
            table,
            tuple(self._sizes[slot] for slot in slots),
            None if self._counters is None else replace(self._counters),
            tuple(part.index_select(0, index) for part in self._parts()),
        )

    @whole
    def load(self, state: PoolState) -> None:
        """Hold and know what another pool of the same layout, strategy, codec and type did; its size comes, too.

        Raises:
            CacheError: if tensors have other shapes or types. Nothing has changed then.
        """
        table, wanted = state.table, self._parts()
        found = [(part.shape, part.dtype) for part in state.parts]
        if found != [((len(table.slots), *part.shape[1:]), part.dtype) for part in wanted]:
            raise CacheError(f"{self.name} was to hold tensors of {found}, which are not those of its layout and codec")
        slots = [slot for _, slot in table.slots]
        self._table = SlotTable.load(table, self.eviction_strategy)
        self._allocate(table.capacity)
        self._sizes = [0] * table.capacity
        for slot, size in zip(slots, state.sizes, strict=True):
            self._sizes[slot] = size
        index = self._index(slots)
        for part, saved in zip(self._parts(), state.parts, strict=True):
            part.index_copy_(0, index, saved.to(self._device))
        self._counters = None if state.counters is None else replace(state.counters)

    @whole
    def count_miss(self) -> None:
        """Count a look-up that was not answered, by who noticed without asking `find`."""
        if self._counters is not None:
            self._counters.count_query(is_hit=False)

    @whole
    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute anew what had been missed."""
        if self._counters is not None:
            self._counters.regenerate_seconds += seconds

    @property
    @whole
    def stats(self) -> CacheStats | None:
        """What the pool has done so far; None where statistics are off."""
        if self._counters is None:
            return None
        return self._counters.record(size=len(self), pool_size=self.pool_size, nbytes=self.nbytes)

    @whole
    def reset_stats(self) -> None:
        """Count from 0 again."""
        if self._counters is not None:
            self._counters = Counters()

    def _place(self, key: int) -> int:
        slot, evicted = self._table.place(key)
        if evicted is not None and self._counters is not None:
            self._counters.evictions += 1
        return slot

    def _allocate(self, pool_size: int) -> None:
        layout = self.layout

        def make_slots(*shape: int) -> CodedSlots:
            return CodedSlots(pool_size, shape, self.codec, device=self._device, dtype=self._dtype)

        self._keys_values = make_slots(*layout.context_shape)
        self._tokens = make_slots(layout.context_tokens, layout.embed_dim) if layout.is_sliding else None

    def _parts(self) -> tuple[Tensor, ...]:
        """Return the tensors of all slots, as the codec writes them."""
        return self._keys_values.parts if self._tokens is None else (*self._keys_values.parts, *self._tokens.parts)

    def _check_entry(self, entry: object) -> None:
        check_context(entry, self.name, layout=self.layout, dtype=self._dtype, device=self.device)

    def _check_batch(self, num_keys: int, batch: ContextBatch) -> None:
        if num_keys != len(batch.sizes):
            raise CacheError(f"{num_keys} keys came with {len(batch.sizes)} contexts; give as many of each")
        if num_keys:
            self._check_entry(batch.row(0))  # the other rows are of the same tensors

    def _index(self, places: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.array(places, np.int64)).to(self._device, non_blocking=True)


def read_key(cache_key: Hashable) -> int:
    """Return a key as an int.

    Raises:
        CacheError: if it is not an integer.
    """
    return read_int("a cache key", cache_key, CacheError)


def _copy(source: Tensor, target: Tensor, rows: Tensor | None) -> None:
    if rows is None:
        target.copy_(source)
    else:
        target[rows] = source
