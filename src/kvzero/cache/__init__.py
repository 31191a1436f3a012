"""Stores of keys and values, their layout and their statistics; knows no model."""

from kvzero.cache.config import CacheConfig, KeyMode, ManagerConfig, ManagerSettings
from kvzero.cache.eviction import EvictionStrategy
from kvzero.cache.keys import hash_state
from kvzero.cache.keys_values import ContextBatch, KeysValues
from kvzero.cache.layout import ContextLayout
from kvzero.cache.legacy import LegacyCaches, LegacyRing
from kvzero.cache.manager import KVCacheManager, ManagerStats
from kvzero.cache.pool import KVCachePool
from kvzero.cache.stats import CacheStats
from kvzero.cache.store import ContextStore, SearchContexts, Window
from kvzero.cache.tree import TreeStore

__all__ = [
    "CacheConfig",
    "CacheStats",
    "ContextBatch",
    "ContextLayout",
    "ContextStore",
    "EvictionStrategy",
    "KVCacheManager",
    "KVCachePool",
    "KeyMode",
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
]
