"""The predecessor's older caches, kept by hand: a dict, a list, a reverse map and a ring pointer; for comparison only.

Two faults of the original are mended, as nothing could be compared with them: a slot that is used again deletes the key
that last pointed to it only if it still does, and clearing clears all four parts. The parts are real: code that keeps
them by hand, as the predecessor's own did, may write into them.
"""

from collections.abc import Sequence

import torch

from kvzero.cache.codecs import is_lossy
from kvzero.cache.keyed.levels import MISSING
from kvzero.cache.keyed.ring import LegacyRing, RingParts
from kvzero.cache.pools import (
    CPU,
    CacheStats,
    ContextBatch,
    KeysValues,
    LevelStats,
    ManagerConfig,
    check_context,
    plan_sizes,
)
from kvzero.checks import read_int
from kvzero.errors import CacheError, ConfigError

__all__ = ["LegacyCaches", "LegacyLevels"]


class LegacyCaches:
    """One ring per environment for roots, one shared ring for the nodes of one search."""

    def __init__(
        self,
        config: ManagerConfig,
        env_num: int,
        enable_stats: bool | None = None,
        *,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Make empty rings of the sizes that a manager's pools would have; what they keep will be there, and so typed.

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
        self._layout, self._device, self._dtype = config.layout, device, dtype
        self._roots, self._nodes = RingParts.empty(env_num, sizes.init), RingParts.empty(1, sizes.recur)
        self.init_rings = [LegacyRing(self._roots, env, enable_stats=is_counting) for env in range(env_num)]
        self.recur_ring = LegacyRing(self._nodes, enable_stats=is_counting)
        self._num_hits_by_hand = self._num_queries_by_hand = 0

    @property
    def past_kv_cache_init_infer_envs(self) -> list[dict[int, int]]:
        """Slot of each root under its key, per environment."""
        return self._roots.slots

    @property
    def past_kv_cache_recurrent_infer(self) -> dict[int, int]:
        """Slot of each node under its key."""
        return self.recur_ring.slots

    @property
    def shared_pool_init_infer(self) -> list[list[KeysValues | None]]:
        """Contexts of roots by slot, per environment."""
        return self._roots.pools

    @property
    def shared_pool_recur_infer(self) -> list[KeysValues | None]:
        """Contexts of nodes by slot."""
        return self.recur_ring.shared_pool

    @property
    def pool_idx_to_key_map_init_envs(self) -> list[list[int | None]]:
        """Key that each slot of roots was last written under, per environment."""
        return self._roots.keys

    @property
    def pool_idx_to_key_map_recur_infer(self) -> list[int | None]:
        """Key that each slot of nodes was last written under."""
        return self.recur_ring.keys

    @property
    def shared_pool_index_init_envs(self) -> list[int]:
        """Slot that the next root will be written to, per environment."""
        return self._roots.pointers

    @property
    def shared_pool_index(self) -> int:
        """Slot that the next node will be written to."""
        return self.recur_ring.pointer

    @shared_pool_index.setter
    def shared_pool_index(self, slot: int) -> None:
        self.recur_ring.pointer = slot

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
        """Look-ups that were answered, and what was added by hand; that alone where statistics are off."""
        return self._num_hits_by_hand + sum(stats.hits for stats in self._all_stats())

    @hit_count.setter
    def hit_count(self, number: int) -> None:
        self._num_hits_by_hand += number - self.hit_count

    @property
    def total_query_count(self) -> int:
        """Look-ups, and what was added by hand; that alone where statistics are off."""
        return self._num_queries_by_hand + sum(stats.total_queries for stats in self._all_stats())

    @total_query_count.setter
    def total_query_count(self, number: int) -> None:
        self._num_queries_by_hand += number - self.total_query_count

    def _all_stats(self) -> list[CacheStats]:
        return [ring.stats for ring in (*self.init_rings, self.recur_ring) if ring.stats is not None]

    def custom_copy_kv_cache_to_shared_init_envs(self, src_kv: KeysValues, env_id: int) -> int:
        """Put a copy of a root's context into the slot that the environment's pointer shows; return the slot.

        The rest is kept by the caller: both maps, without which the context is not found, and the pointer, which stays.

        Raises:
            CacheError: if there is no such environment, or the context is not of the shape, number type and device that
                are kept here.
        """
        self._check(src_kv)
        return self.init_ring(env_id).copy(src_kv)

    def custom_copy_kv_cache_to_shared_recur(self, src_kv: KeysValues) -> int:
        """Put a copy of a node's context into the slot that `shared_pool_index` shows, in the same way.

        Raises:
            CacheError: if the context is not of the shape, number type and device that are kept here.
        """
        self._check(src_kv)
        return self.recur_ring.copy(src_kv)

    def _check(self, context: KeysValues) -> None:
        check_context(context, "a shared pool", layout=self._layout, dtype=self._dtype, device=self._device)

    def init_ring(self, env_id: int) -> LegacyRing:
        """Return the ring of an environment's roots.

        Raises:
            CacheError: if there is no such environment.
        """
        if not 0 <= read_int("env_id", env_id, CacheError) < self.env_num:
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

    def count_rebuilt_root(self, env: int, seconds: float) -> None:
        """Count time that it took to rebuild a root that was lost."""
        self.caches.init_ring(env).count_regeneration(seconds)

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute nodes anew that had been missed."""
        self.caches.recur_ring.count_regeneration(seconds)

    def stats(self) -> LevelStats | None:
        """Return what both levels have done so far; None where statistics are off."""
        recur = self.caches.recur_ring.stats
        inits = [ring.stats for ring in self.caches.init_rings]
        return None if recur is None else LevelStats.of(inits, recur)
