"""The keyed store, which finds contexts by a hash of what led to them, and the caches that it stands on."""

from kvzero.cache.keyed.keys import NO_ACTION, Keys, hash_state, make_keys, start_key
from kvzero.cache.keyed.legacy import LegacyCaches, LegacyLevels, LegacyRing
from kvzero.cache.keyed.levels import ContextLevels, PooledLevels
from kvzero.cache.keyed.search import KeyedParts
from kvzero.cache.keyed.store import KeyedStore

__all__ = [
    "NO_ACTION",
    "ContextLevels",
    "KeyedParts",
    "KeyedStore",
    "Keys",
    "LegacyCaches",
    "LegacyLevels",
    "LegacyRing",
    "PooledLevels",
    "hash_state",
    "make_keys",
    "start_key",
]
