"""Stores of keys and values, their layout and their statistics; knows no model."""

from kvzero.cache.config import CacheConfig, EvictionName, KeyMode, ManagerConfig, ManagerSettings, plan_sizes
from kvzero.cache.eviction import EvictionStrategy
from kvzero.cache.keyed import KeyedStore
from kvzero.cache.keyed_search import Parts
from kvzero.cache.keys import NO_ACTION, Keys, hash_state, make_keys, start_key
from kvzero.cache.keys_values import ContextBatch, KeysValues
from kvzero.cache.layout import ContextLayout
from kvzero.cache.legacy import LegacyCaches, LegacyLevels, LegacyRing
from kvzero.cache.levels import MISSING, ContextLevels, PooledLevels
from kvzero.cache.manager import KVCacheManager, ManagerStats
from kvzero.cache.one_pass import OnePassContexts
from kvzero.cache.pool import KVCachePool
from kvzero.cache.static_tree import StaticRows, StaticTreeContexts
from kvzero.cache.stats import CacheStats, LevelStats
from kvzero.cache.store import ContextStore, Regenerator, SearchContexts, TreeMemory, Window
from kvzero.cache.tree import TreeStore
from kvzero.cache.windows import allocate_contexts

__all__ = [
    "MISSING",
    "NO_ACTION",
    "CacheConfig",
    "CacheStats",
    "ContextBatch",
    "ContextLayout",
    "ContextLevels",
    "ContextStore",
    "EvictionName",
    "EvictionStrategy",
    "KVCacheManager",
    "KVCachePool",
    "KeyMode",
    "KeyedStore",
    "Keys",
    "KeysValues",
    "LegacyCaches",
    "LegacyLevels",
    "LegacyRing",
    "LevelStats",
    "ManagerConfig",
    "ManagerSettings",
    "ManagerStats",
    "OnePassContexts",
    "Parts",
    "PooledLevels",
    "Regenerator",
    "SearchContexts",
    "StaticRows",
    "StaticTreeContexts",
    "TreeMemory",
    "TreeStore",
    "Window",
    "allocate_contexts",
    "hash_state",
    "make_keys",
    "plan_sizes",
    "start_key",
]
