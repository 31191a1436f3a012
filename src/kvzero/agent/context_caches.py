"""Where a `WorldModel` keeps its contexts: a manager of pools, or the older structures, behind one protocol."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch

from kvzero.agent.transformer_config import TransformerConfig
from kvzero.cache import CacheStats, KeysValues, KVCacheManager, LegacyCaches

__all__ = ["ContextCaches", "build_caches"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class ContextCaches(Protocol):
    """Contexts of roots, one group per environment, and of the nodes of one search, under keys."""

    @property
    def shown(self) -> Mapping[str, Any]:
        """What users of a world model may look at, by name."""

    def find(self, env: int, key: int) -> KeysValues | None:
        """Return a private copy of a context from the environment's roots, else from the nodes, else None."""

    def put_root(self, env: int, key: int, context: KeysValues) -> None:
        """Keep a copy of a root's context."""

    def put_node(self, key: int, context: KeysValues) -> None:
        """Keep a copy of a node's context."""

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute anew what had been missed."""

    def clear_env(self, env: int) -> None:
        """Forget the roots of one environment."""

    def clear_nodes(self) -> None:
        """Forget the nodes, because their search is over."""

    def clear(self) -> None:
        """Forget everything; statistics go on."""

    def stats(self) -> dict[str, CacheStats]:
        """Return the statistics of roots under `env_0`, `env_1`, ... and of nodes under `recur`."""


class ManagedCaches:
    """Keeps contexts in a `KVCacheManager`."""

    def __init__(self, config: TransformerConfig, *, device: torch.device, dtype: torch.dtype) -> None:
        self._manager = KVCacheManager(config, config.env_num, device=device, dtype=dtype)
        self.shown = {"kv_cache_manager": self._manager}

    def find(self, env: int, key: int) -> KeysValues | None:
        """Look roots up, then nodes."""
        return self._manager.hierarchical_get(env, key)

    def put_root(self, env: int, key: int, context: KeysValues) -> None:
        """Keep a root."""
        self._manager.set_init_cache(env, key, context)

    def put_node(self, key: int, context: KeysValues) -> None:
        """Keep a node."""
        self._manager.set_recur_cache(key, context)

    def count_regeneration(self, seconds: float) -> None:
        """Count at the pool where a look-up ends that finds nothing."""
        self._manager.recur_pool.count_regeneration(seconds)

    def clear_env(self, env: int) -> None:
        """Forget the roots of one environment."""
        self._manager.clear_env(env)

    def clear_nodes(self) -> None:
        """Forget the nodes."""
        self._manager.clear_recur_cache()

    def clear(self) -> None:
        """Forget everything."""
        self._manager.clear_all()

    def stats(self) -> dict[str, CacheStats]:
        """Return the statistics of all pools that hold contexts."""
        stats = self._manager.stats()
        return {} if stats is None else stats.init_pools | {"recur": stats.recur_pool}


class HandKeptCaches:
    """Keeps contexts in the older structures."""

    def __init__(self, config: TransformerConfig) -> None:
        self._caches = LegacyCaches(
            config.layout,
            config.env_num,
            init_pool_size=config.init_pool_size,
            recur_pool_size=config.recur_pool_size,
        )
        self.shown = {
            "past_kv_cache_init_infer_envs": self._caches.past_kv_cache_init_infer_envs,
            "past_kv_cache_recurrent_infer": self._caches.past_kv_cache_recurrent_infer,
            "shared_pool_init_infer": self._caches.shared_pool_init_infer,
            "shared_pool_recur_infer": self._caches.shared_pool_recur_infer,
        }

    def find(self, env: int, key: int) -> KeysValues | None:
        """Look roots up, then nodes."""
        ring = self._caches.init_ring(env)
        found = ring.get(key) if key in ring else self._caches.recur_ring.get(key)
        return None if found is None else found.clone()

    def put_root(self, env: int, key: int, context: KeysValues) -> None:
        """Keep a root."""
        self._caches.init_ring(env).set(key, context)

    def put_node(self, key: int, context: KeysValues) -> None:
        """Keep a node."""
        self._caches.recur_ring.set(key, context)

    def count_regeneration(self, seconds: float) -> None:
        """Count at the ring where a look-up ends that finds nothing."""
        self._caches.recur_ring.count_regeneration(seconds)

    def clear_env(self, env: int) -> None:
        """Forget the roots of one environment."""
        self._caches.init_ring(env).clear()

    def clear_nodes(self) -> None:
        """Forget the nodes."""
        self._caches.recur_ring.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._caches.clear()

    def stats(self) -> dict[str, CacheStats]:
        """Return the statistics of all rings."""
        rings = {f"env_{env}": ring for env, ring in enumerate(self._caches.init_rings)}
        rings["recur"] = self._caches.recur_ring
        return {name: stats for name, ring in rings.items() if (stats := ring.stats()) is not None}


def build_caches(config: TransformerConfig, *, device: torch.device, dtype: torch.dtype) -> ContextCaches:
    """Return the caches that a config asks for."""
    if config.use_new_cache_manager:
        return ManagedCaches(config, device=device, dtype=dtype)
    return HandKeptCaches(config)
