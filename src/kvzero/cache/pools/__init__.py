"""Pools of contexts under integer keys: slots, eviction, sizes, statistics, and a manager of all pools of one agent."""

from kvzero.cache.pools.config import CacheConfig, EvictionName, KeyMode, ManagerConfig, ManagerSettings, plan_sizes
from kvzero.cache.pools.eviction import EvictionStrategy
from kvzero.cache.pools.keys_values import ContextBatch, KeysValues, check_context
from kvzero.cache.pools.manager import KVCacheManager, ManagerStats
from kvzero.cache.pools.pool import CPU, KVCachePool
from kvzero.cache.pools.stats import CacheStats, Counters, LevelStats

__all__ = [
    "CPU",
    "CacheConfig",
    "CacheStats",
    "ContextBatch",
    "Counters",
    "EvictionName",
    "EvictionStrategy",
    "KVCacheManager",
    "KVCachePool",
    "KeyMode",
    "KeysValues",
    "LevelStats",
    "ManagerConfig",
    "ManagerSettings",
    "ManagerStats",
    "check_context",
    "plan_sizes",
]
