"""The caches of a world model: two levels of contexts, and what stands of them on the model itself."""

from typing import Any

import torch

from kvzero.cache import KVCacheManager, LegacyCaches, LegacyLevels, PooledLevels
from kvzero.checks import read_int
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.errors import ConfigError, StaleContextError

__all__ = ["CACHE_NAMES", "Caches", "HandKeptCaches", "ManagedCaches", "build_caches"]

MANAGER = "kv_cache_manager"
NUMBERS = frozenset({"hit_count", "total_query_count", "shared_pool_index"})
"""What code that keeps the older caches by hand assigns; all else that it changes is inside of lists and dicts."""

HAND_KEPT_NAMES = NUMBERS | {
    "past_kv_cache_init_infer_envs",
    "past_kv_cache_recurrent_infer",
    "pool_idx_to_key_map_init_envs",
    "pool_idx_to_key_map_recur_infer",
    "shared_pool_init_infer",
    "shared_pool_recur_infer",
    "shared_pool_index_init_envs",
    "shared_pool_size_init",
    "shared_pool_size_recur",
    "custom_copy_kv_cache_to_shared_init_envs",
    "custom_copy_kv_cache_to_shared_recur",
}
CACHE_NAMES = HAND_KEPT_NAMES | {MANAGER}
"""Attributes of a world model that are its caches' own, in one system or the other."""


class ManagedCaches:
    """Contexts in a `KVCacheManager`."""

    def __init__(self, manager: KVCacheManager) -> None:
        self.levels = PooledLevels(manager)

    def shows(self, name: str) -> bool:
        """Tell whether a name of the world model is one of these caches."""
        return name == MANAGER

    def show(self, name: str) -> Any:
        """Return what stands under one of these names."""
        del name
        return self.levels.manager

    def use(self, manager: object, *, digest: bytes) -> None:
        """Keep contexts in another manager from now on; `digest` is that of the weights.

        Raises:
            ConfigError: if it is none, or could not hold what the one before did.
            StaleContextError: if it holds contexts that other weights made, or of which nobody knows what did.
        """
        if not isinstance(manager, KVCacheManager):
            raise ConfigError(f"{MANAGER} was assigned a {type(manager).__name__}; give a KVCacheManager")
        found, wanted = _describe(manager), _describe(self.levels.manager)
        odd = [f"{name} {found[name]} where {wanted[name]} is needed" for name in wanted if found[name] != wanted[name]]
        if odd:
            raise ConfigError(
                f"{MANAGER} was assigned a manager with {', '.join(odd)}; make it of the model's own config: "
                "KVCacheManager(model.config, model.config.env_num, device=model.device)"
            )
        if manager.made_by != digest and any(len(pool) for pool in manager.pools()):
            raise StaleContextError(
                f"{MANAGER} was assigned a manager with contexts that were not made, as far as is known, by these "
                "weights; save it and load it with made_by=model.network.digest, or empty it by clear_all()"
            )
        self.levels = PooledLevels(manager)

    def renewed(self, *, device: torch.device, dtype: torch.dtype) -> "ManagedCaches":
        """Return empty caches of the same sizes there, for numbers of this type."""
        old = self.levels.manager
        return ManagedCaches(KVCacheManager(old.settings, old.env_num, old.stats_enabled, device=device, dtype=dtype))


class HandKeptCaches:
    """Contexts in the older structures, which may be written into."""

    def __init__(self, config: TransformerConfig, *, device: torch.device, dtype: torch.dtype) -> None:
        self._config = config
        self.levels = LegacyLevels(LegacyCaches(config, config.env_num, device=device, dtype=dtype))

    def shows(self, name: str) -> bool:
        """Tell whether a name of the world model is one of these caches."""
        return name in HAND_KEPT_NAMES

    def show(self, name: str) -> Any:
        """Return what stands under one of these names."""
        return getattr(self.levels.caches, name)

    def assign(self, name: str, value: object) -> None:
        """Set a counter or a pointer.

        Raises:
            ConfigError: if the name is none of these, or the value is no integer.
        """
        if name not in NUMBERS:
            raise ConfigError(
                f"{name} was assigned, where it would have no effect; write into its lists and dicts as they are, call "
                "clear_caches(), or build a model of another config for other sizes"
            )
        setattr(self.levels.caches, name, read_int(name, value))

    def renewed(self, *, device: torch.device, dtype: torch.dtype) -> "HandKeptCaches":
        """Return empty caches of the same sizes there, for numbers of this type."""
        return HandKeptCaches(self._config, device=device, dtype=dtype)


Caches = ManagedCaches | HandKeptCaches


def build_caches(config: TransformerConfig, *, device: torch.device, dtype: torch.dtype) -> Caches:
    """Return the caches that a config asks for."""
    if config.use_new_cache_manager:
        return ManagedCaches(KVCacheManager(config, config.env_num, device=device, dtype=dtype))
    return HandKeptCaches(config, device=device, dtype=dtype)


def _describe(manager: KVCacheManager) -> dict[str, object]:
    """Return what two managers must have in common to hold the same contexts."""
    return {
        "layout": manager.settings.layout,
        "env_num": manager.env_num,
        "dtype": manager.dtype,
        "device": manager.device,
    }
