"""The pools of one agent: roots per environment, nodes of one search, and scratch, with statistics of each."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kvzero.cache.pools.config import ManagerConfig, ManagerSettings, plan_sizes
from kvzero.cache.pools.keys_values import KeysValues
from kvzero.cache.pools.pool import CPU, KVCachePool
from kvzero.cache.pools.saving import SavedManager, read_manager, write_manager
from kvzero.cache.pools.sizing import PoolSizer
from kvzero.cache.pools.stats import CacheStats, LevelStats
from kvzero.checks import read_int
from kvzero.errors import CacheError

__all__ = ["KVCacheManager", "ManagerStats"]


@dataclass(frozen=True, slots=True)
class ManagerStats:
    """The statistics of every pool of a manager."""

    levels: LevelStats
    """Of roots and nodes."""

    wm_pool: CacheStats
    """Of the scratch pool."""

    @property
    def init_pools(self) -> dict[str, CacheStats]:
        """Of each environment's pool of roots, under `env_0`, `env_1`, ..."""
        return self.levels.init_pools

    @property
    def recur_pool(self) -> CacheStats:
        """Of the pool of search nodes."""
        return self.levels.recur_pool

    @property
    def total(self) -> CacheStats:
        """All pools taken together."""
        return CacheStats.total([self.levels.total, self.wm_pool])


class KVCacheManager:
    """One init pool per environment (roots), one recur pool (nodes of one search), one wm pool (scratch).

    Their sizes are `game_segment_length`, `num_simulations * env_num` and `env_num` unless the config's `cache` says
    otherwise; their memory is (init sizes + recur size + wm size) times `coded_context_bytes`. Pools with
    bounds adapt their size: when `clear_recur_cache` marks the end of a search they grow or shrink by their hit and
    eviction rates, and a recur pool that fills up during a search grows instead of evicting from it.
    """

    def __init__(
        self,
        config: ManagerConfig,
        env_num: int,
        enable_stats: bool | None = None,
        *,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Allocate all pools; statistics are kept as the config's `cache` says, unless `enable_stats` says otherwise.

        Raises:
            ConfigError: if a size is not positive, sizes and bounds do not fit each other, or the pools would take more
                than the config's `cache_max_bytes`; nothing has been allocated then.
        """
        sizes = plan_sizes(config, env_num, dtype)
        cache = config.cache
        self.env_num = env_num
        self.stats_enabled = cache.pool_stats if enable_stats is None else enable_stats
        self.dtype = dtype
        self.made_by = b""  # what made the contexts that `load` read; empty where that is not known
        self.settings = ManagerSettings(
            layout=config.layout,
            num_simulations=config.num_simulations,
            game_segment_length=config.game_segment_length,
            cache=cache,
        )

        def make_pool(pool_size: int, name: str) -> KVCachePool:
            return KVCachePool(
                config.layout,
                pool_size,
                eviction_strategy=cache.eviction,
                enable_stats=self.stats_enabled,
                name=name,
                device=device,
                dtype=dtype,
                codec=cache.pool_codec,
            )

        self.init_pools = [make_pool(sizes.init, f"init_pool of environment {env}") for env in range(env_num)]
        self.recur_pool = make_pool(sizes.recur, "recur_pool")
        self.wm_pool = make_pool(sizes.wm, "wm_pool")
        init_bounds, recur_bounds = cache.init_pool_bounds, cache.recur_pool_bounds
        self._init_sizers = [] if init_bounds is None else [PoolSizer(pool, init_bounds) for pool in self.init_pools]
        self._recur_sizer = None if recur_bounds is None else PoolSizer(self.recur_pool, recur_bounds)

    @property
    def device(self) -> torch.device:
        """Where the contexts are."""
        return self.recur_pool.device

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values in all pools."""
        return sum(pool.nbytes for pool in self.pools())

    def init_pool(self, env_id: int) -> KVCachePool:
        """Return the pool of an environment's roots.

        Raises:
            CacheError: if there is no such environment.
        """
        if not 0 <= read_int("env_id", env_id, CacheError) < self.env_num:
            raise CacheError(f"env_id is {env_id}; this manager serves environments 0 to {self.env_num - 1}")
        return self.init_pools[env_id]

    def get_init_cache(self, env_id: int, cache_key: Hashable) -> KeysValues | None:
        """Return a copy of a root's context, None if it is not there."""
        return self.init_pool(env_id).get(cache_key)

    def set_init_cache(self, env_id: int, cache_key: Hashable, kv_cache: KeysValues) -> int:
        """Keep a copy of a root's context; return its slot."""
        return self.init_pool(env_id).set(cache_key, kv_cache)

    def get_recur_cache(self, cache_key: Hashable) -> KeysValues | None:
        """Return a copy of a node's context, None if it is not there."""
        return self.recur_pool.get(cache_key)

    def set_recur_cache(self, cache_key: Hashable, kv_cache: KeysValues) -> int:
        """Keep a copy of a node's context; return its slot."""
        self.make_recur_room(int(cache_key not in self.recur_pool))
        return self.recur_pool.set(cache_key, kv_cache)

    def get_wm_cache(self, cache_key: Hashable) -> KeysValues | None:
        """Return a copy of a scratch context, None if it is not there."""
        return self.wm_pool.get(cache_key)

    def set_wm_cache(self, cache_key: Hashable, kv_cache: KeysValues) -> int:
        """Keep a copy of a scratch context; return its slot."""
        return self.wm_pool.set(cache_key, kv_cache)

    def hierarchical_get(self, env_id: int, cache_key: Hashable) -> KeysValues | None:
        """Return a copy of a context from the environment's roots, else from the search's nodes, else None.

        It counts as one query: of the init pool if that has it, else of the recur pool.
        """
        pool = self.init_pool(env_id)
        return pool.get(cache_key) if cache_key in pool else self.get_recur_cache(cache_key)

    def make_recur_room(self, num_entries: int) -> None:
        """Let a recur pool that has bounds grow rather than evict when so many entries more are written."""
        if self._recur_sizer is not None:
            self._recur_sizer.make_room(num_entries)

    def clear_init_caches(self) -> None:
        """Forget all roots."""
        for pool in self.init_pools:
            pool.clear()

    def clear_recur_cache(self) -> None:
        """Forget all nodes, because their search is over; pools with bounds adapt their size now."""
        for sizer in self.sizers():
            sizer.adapt()
        self.recur_pool.clear()

    def clear_env(self, env_id: int) -> None:
        """Forget the roots of one environment."""
        self.init_pool(env_id).clear()

    def clear_all(self) -> None:
        """Forget everything; statistics go on."""
        self.clear_init_caches()
        self.clear_recur_cache()
        self.wm_pool.clear()
        self.made_by = b""

    def stats(self) -> ManagerStats | None:
        """Return the statistics of every pool; None where they are off."""
        inits = [pool.stats for pool in self.init_pools]
        recur, wm = self.recur_pool.stats, self.wm_pool.stats
        return None if recur is None or wm is None else ManagerStats(LevelStats.of(inits, recur), wm)

    def get_stats_summary(self) -> dict[str, Any]:
        """Return the statistics of every pool as one line of text each."""
        stats = self.stats()
        if stats is None:
            return {"stats_enabled": False}
        return {
            "stats_enabled": True,
            "init_pools": {name: str(of_env) for name, of_env in stats.init_pools.items()},
            "recur_pool": str(stats.recur_pool),
            "wm_pool": str(stats.wm_pool),
        }

    def reset_stats(self) -> None:
        """Count from 0 again, in all pools."""
        for pool in self.pools():
            pool.reset_stats()
        for sizer in self.sizers():
            sizer.restart()

    def save(self, folder: str | Path, *, made_by: bytes = b"") -> None:
        """Write all pools into a folder, in place of a manager that was saved there.

        Contexts, sizes, order of eviction and statistics go with it; what is saved is whole whenever the process is
        killed. A manager does not know what made its contexts: `made_by` should tell all weights apart, as
        `Network.digest` does, and `load` refuses contexts that something else made.

        Raises:
            RunError: if the folder cannot be written.
        """
        saved = SavedManager(
            settings=self.settings,
            env_num=self.env_num,
            stats_enabled=self.stats_enabled,
            dtype=self.dtype,
            pools=tuple(pool.save() for pool in self.pools()),
            periods=tuple(sizer.save() for sizer in self.sizers()),
        )
        write_manager(saved, Path(folder), made_by)

    @classmethod
    def load(cls, folder: str | Path, *, made_by: bytes = b"", device: torch.device = CPU) -> "KVCacheManager":
        """Return a manager that goes on as the one that `save` wrote would have, on any device.

        Raises:
            CheckpointError: if the folder is missing or damaged, holds contexts that were not `made_by` this, or is of
                a newer format.
        """
        saved = read_manager(Path(folder), made_by)
        manager = cls(saved.settings, saved.env_num, saved.stats_enabled, device=device, dtype=saved.dtype)
        for pool, state in zip(manager.pools(), saved.pools, strict=True):
            pool.load(state)
        for sizer, period in zip(manager.sizers(), saved.periods, strict=True):
            sizer.load(period)
        manager.made_by = made_by
        return manager

    def pools(self) -> list[KVCachePool]:
        """Return all pools: those of roots by environment, then those of nodes and of scratch."""
        return [*self.init_pools, self.recur_pool, self.wm_pool]

    def sizers(self) -> list[PoolSizer]:
        """Return what adapts the sizes of pools, in the order of the pools that have bounds."""
        return self._init_sizers if self._recur_sizer is None else [*self._init_sizers, self._recur_sizer]
