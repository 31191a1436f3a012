"""The predecessor's older caches, kept by hand: a dict, a list, a reverse map and a ring pointer; for comparison only.

Two faults of the original are mended, as nothing could be compared with them: a slot that is used again deletes the key
that last pointed to it only if it still does, and clearing clears all four parts.
"""

from collections.abc import Sequence

import torch

from kvzero.cache.codecs import is_lossy
from kvzero.cache.keyed.levels import MISSING
from kvzero.cache.pools import (
    CacheStats,
    ContextBatch,
    Counters,
    KeysValues,
    LevelStats,
    ManagerConfig,
    plan_sizes,
)
from kvzero.errors import CacheError, ConfigError

__all__ = ["LegacyCaches", "LegacyLevels", "LegacyRing"]


class LegacyRing:
    """Contexts under keys in a ring of slots: each write takes the next slot, whatever is in it."""

    def __init__(self, pool_size: int, *, enable_stats: bool = True) -> None:
        """Make an empty ring.

        Raises:
            ConfigError: if the size is not positive.
        """
        if pool_size < 1:
            raise ConfigError(f"pool_size is {pool_size}; give a ring at least 1 slot")
        self.slots: dict[int, int] = {}
        self.shared_pool: list[KeysValues | None] = [None] * pool_size
        self.keys: dict[int, int] = {}
        self.pointer = 0
        self._counters = Counters() if enable_stats else None

    def __contains__(self, key: object) -> bool:
        return key in self.slots

    def get(self, key: int, *, is_counted: bool = True) -> KeysValues | None:
        """Return the context under a key, which the reader must not write into; None if it is not there."""
        slot = self.slots.get(key)
        if is_counted and self._counters is not None:
            self._counters.count_query(is_hit=slot is not None)
        return None if slot is None else self.shared_pool[slot]

    def set(self, key: int, kv_cache: KeysValues) -> int:
        """Put a copy of a context into the next slot; return the slot."""
        slot = self.pointer
        old_key = self.keys.get(slot)
        if old_key is not None and self.slots.get(old_key) == slot:
            del self.slots[old_key]
            if self._counters is not None and old_key != key:
                self._counters.evictions += 1
        self.shared_pool[slot] = kv_cache.clone()
        self.slots[key] = slot
        self.keys[slot] = key
        self.pointer = (slot + 1) % len(self.shared_pool)
        return slot

    def clear(self) -> None:
        """Forget everything; statistics go on."""
        self.slots.clear()
        self.keys.clear()
        self.shared_pool[:] = [None] * len(self.shared_pool)
        self.pointer = 0

    def count_miss(self) -> None:
        """Count a look-up that was not answered, by who noticed without asking `get`."""
        if self._counters is not None:
            self._counters.count_query(is_hit=False)

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute anew what had been missed."""
        if self._counters is not None:
            self._counters.regenerate_seconds += seconds

    @property
    def key_of_each_slot(self) -> list[int | None]:
        """Keys that slots were last written under."""
        return [self.keys.get(slot) for slot in range(len(self.shared_pool))]

    @property
    def nbytes(self) -> int:
        """Bytes of the contexts held now."""
        held = [entry for entry in self.shared_pool if entry is not None]
        return sum(entry.keys_values.nbytes + (0 if entry.tokens is None else entry.tokens.nbytes) for entry in held)

    @property
    def stats(self) -> CacheStats | None:
        """What the ring has done so far; None where statistics are off."""
        if self._counters is None:
            return None
        return self._counters.record(size=len(self.slots), pool_size=len(self.shared_pool), nbytes=self.nbytes)

    def reset_stats(self) -> None:
        """Count from 0 again."""
        if self._counters is not None:
            self._counters = Counters()


class LegacyCaches:
    """One ring per environment for roots, one shared ring for the nodes of one search."""

    def __init__(
        self,
        config: ManagerConfig,
        env_num: int,
        enable_stats: bool | None = None,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Make empty rings of the sizes that a manager's pools would have; of `dtype` will be what they keep.

        Statistics are kept as the config's `cache` says, unless `enable_stats` says otherwise.

        Raises:
            ConfigError: if a size is not positive, full rings would take more than the config's `cache_max_bytes`, or
                contexts were to be rounded.
        """
        if is_lossy(config.cache.pool_codec):
            raise ConfigError(f"pool_codec is {config.cache.pool_codec}, but rings keep every bit; leave it at none")
        sizes = plan_sizes(config, env_num, dtype, has_scratch=False)
        is_counting = config.cache.pool_stats if enable_stats is None else enable_stats
        self.env_num = env_num
        self.init_rings = [LegacyRing(sizes.init, enable_stats=is_counting) for _ in range(env_num)]
        self.recur_ring = LegacyRing(sizes.recur, enable_stats=is_counting)

    @property
    def past_kv_cache_init_infer_envs(self) -> list[dict[int, int]]:
        """Slot of each root under its key, per environment."""
        return [ring.slots for ring in self.init_rings]

    @property
    def past_kv_cache_recurrent_infer(self) -> dict[int, int]:
        """Slot of each node under its key."""
        return self.recur_ring.slots

    @property
    def shared_pool_init_infer(self) -> list[list[KeysValues | None]]:
        """Contexts of roots by slot, per environment."""
        return [ring.shared_pool for ring in self.init_rings]

    @property
    def shared_pool_recur_infer(self) -> list[KeysValues | None]:
        """Contexts of nodes by slot."""
        return self.recur_ring.shared_pool

    @property
    def pool_idx_to_key_map_init_envs(self) -> list[list[int | None]]:
        """Key that each slot of roots was last written under, per environment."""
        return [ring.key_of_each_slot for ring in self.init_rings]

    @property
    def pool_idx_to_key_map_recur_infer(self) -> list[int | None]:
        """Key that each slot of nodes was last written under."""
        return self.recur_ring.key_of_each_slot

    @property
    def shared_pool_index_init_envs(self) -> list[int]:
        """Slot that the next root will be written to, per environment."""
        return [ring.pointer for ring in self.init_rings]

    @property
    def shared_pool_index(self) -> int:
        """Slot that the next node will be written to."""
        return self.recur_ring.pointer

    @property
    def shared_pool_size_init(self) -> int:
        """Roots that fit, per environment."""
        return len(self.init_rings[0].shared_pool)

    @property
    def shared_pool_size_recur(self) -> int:
        """Nodes that fit."""
        return len(self.recur_ring.shared_pool)

    @property
    def hit_count(self) -> int:
        """Look-ups that were answered; 0 where statistics are off."""
        return sum(stats.hits for stats in self._all_stats())

    @property
    def total_query_count(self) -> int:
        """Look-ups; 0 where statistics are off."""
        return sum(stats.total_queries for stats in self._all_stats())

    def _all_stats(self) -> list[CacheStats]:
        return [ring.stats for ring in (*self.init_rings, self.recur_ring) if ring.stats is not None]

    def init_ring(self, env_id: int) -> LegacyRing:
        """Return the ring of an environment's roots.

        Raises:
            CacheError: if there is no such environment.
        """
        if not 0 <= env_id < self.env_num:
            raise CacheError(f"env_id is {env_id}; these caches serve environments 0 to {self.env_num - 1}")
        return self.init_rings[env_id]

    def clear(self) -> None:
        """Forget all roots and nodes."""
        for ring in (*self.init_rings, self.recur_ring):
            ring.clear()


class LegacyLevels:
    """The older caches as the two levels of a keyed store."""

    def __init__(self, caches: LegacyCaches) -> None:
        self.caches = caches

    @property
    def nbytes(self) -> int:
        """Bytes of the contexts held now."""
        return sum(ring.nbytes for ring in (*self.caches.init_rings, self.caches.recur_ring))

    def holds(self, env: int, key: int) -> bool:
        """Tell whether either level has a context, without counting a query."""
        return key in self.caches.init_ring(env) or key in self.caches.recur_ring

    def read(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch, *, is_counted: bool = True) -> None:
        """Copy each context into its row of the batch, from the roots if they have it, else from the nodes."""
        for row, (env, key) in enumerate(zip(envs, keys, strict=True)):
            roots = self.caches.init_ring(env)
            entry = (roots if key in roots else self.caches.recur_ring).get(key, is_counted=is_counted)
            batch.sizes[row] = MISSING if entry is None else entry.size
            if entry is not None:
                batch.keys_values[row].copy_(entry.keys_values)
            if entry is not None and entry.tokens is not None and batch.tokens is not None:
                batch.tokens[row].copy_(entry.tokens)

    def write_roots(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep the new root of each environment."""
        for row, (env, key) in enumerate(zip(envs, keys, strict=True)):
            self.caches.init_ring(env).set(key, batch.row(row))

    def write_nodes(self, keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep the contexts of nodes."""
        for row, key in enumerate(keys):
            self.caches.recur_ring.set(key, batch.row(row))

    def clear_roots(self, env: int) -> None:
        """Forget the roots of one environment."""
        self.caches.init_ring(env).clear()

    def clear_nodes(self) -> None:
        """Forget all nodes."""
        self.caches.recur_ring.clear()

    def clear(self) -> None:
        """Forget everything; statistics go on."""
        self.caches.clear()

    def count_lost_root(self, env: int) -> None:
        """Count a root that was wanted and is no longer there."""
        self.caches.init_ring(env).count_miss()

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute anew what had been missed."""
        self.caches.recur_ring.count_regeneration(seconds)

    def stats(self) -> LevelStats | None:
        """Return what both levels have done so far; None where statistics are off."""
        recur = self.caches.recur_ring.stats
        inits = [ring.stats for ring in self.caches.init_rings]
        return None if recur is None else LevelStats.of(inits, recur)
