"""Stores of keys and values, their layout and their statistics; knows no model."""

from kvzero.cache.config import CacheConfig, EvictionName, KeyMode, ManagerConfig, ManagerSettings
from kvzero.cache.eviction import EvictionStrategy
from kvzero.cache.keys import NO_ACTION, Keys, hash_state, make_keys, start_key
from kvzero.cache.keys_values import ContextBatch, KeysValues
from kvzero.cache.layout import ContextLayout
from kvzero.cache.legacy import LegacyCaches, LegacyRing
from kvzero.cache.manager import KVCacheManager, ManagerStats
from kvzero.cache.pool import KVCachePool
from kvzero.cache.stats import CacheStats
from kvzero.cache.store import ContextStore, SearchContexts, Window
from kvzero.cache.tree import TreeStore

__all__ = [
    "NO_ACTION",
    "CacheConfig",
    "CacheStats",
    "ContextBatch",
    "ContextLayout",
    "ContextStore",
    "EvictionName",
    "EvictionStrategy",
    "KVCacheManager",
    "KVCachePool",
    "KeyMode",
    "Keys",
    "KeysValues",
    "LegacyCaches",
    "LegacyRing",
    "ManagerConfig",
    "ManagerSettings",
    "ManagerStats",
    "SearchContexts",
    "TreeStore",
    "Window",
    "hash_state",
    "make_keys",
    "start_key",
]
