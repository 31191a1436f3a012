"""The caches of a world model: two levels of contexts, and what stands of them on the model itself."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from kvzero.cache import ContextLevels, KVCacheManager, LegacyCaches, LegacyLevels, PooledLevels
from kvzero.compat.unizero.transformer_config import TransformerConfig

__all__ = ["Caches", "build_caches"]

HAND_KEPT_NAMES = (
    "hit_count",
    "total_query_count",
    "past_kv_cache_init_infer_envs",
    "past_kv_cache_recurrent_infer",
    "pool_idx_to_key_map_init_envs",
    "pool_idx_to_key_map_recur_infer",
    "shared_pool_init_infer",
    "shared_pool_recur_infer",
    "shared_pool_index_init_envs",
    "shared_pool_index",
    "shared_pool_size_init",
    "shared_pool_size_recur",
)


class Caches(NamedTuple):
    """Where contexts are kept, and what users may see of it."""

    levels: ContextLevels
    """The contexts."""

    shown: Mapping[str, Callable[[], Any]]
    """Attributes of the world model by name, each read when it is asked for; in a copy they are the copy's."""


def build_caches(config: TransformerConfig, *, device: torch.device, dtype: torch.dtype) -> Caches:
    """Return the caches that a config asks for."""
    if config.use_new_cache_manager:
        levels = PooledLevels(KVCacheManager(config, config.env_num, device=device, dtype=dtype))
        return Caches(levels, {"kv_cache_manager": partial(getattr, levels, "manager")})
    caches = LegacyCaches(config, config.env_num, dtype=dtype)
    return Caches(LegacyLevels(caches), {name: partial(getattr, caches, name) for name in HAND_KEPT_NAMES})
