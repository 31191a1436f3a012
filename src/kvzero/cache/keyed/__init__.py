"""The keyed store, which finds contexts by a hash of what led to them, and the caches that it stands on."""

from kvzero.cache.keyed.keys import NO_ACTION, Keys, hash_state, make_keys, start_key
from kvzero.cache.keyed.legacy import LegacyCaches, LegacyLevels
from kvzero.cache.keyed.levels import MISSING, ContextLevels, PooledLevels
from kvzero.cache.keyed.ring import LegacyRing, RingParts
from kvzero.cache.keyed.search import KeyedParts
from kvzero.cache.keyed.store import KeyedStore
from kvzero.cache.keyed.windows import allocate_contexts, held_places

__all__ = [
    "MISSING",
    "NO_ACTION",
    "ContextLevels",
    "KeyedParts",
    "KeyedStore",
    "Keys",
    "LegacyCaches",
    "LegacyLevels",
    "LegacyRing",
    "PooledLevels",
    "RingParts",
    "allocate_contexts",
    "hash_state",
    "held_places",
    "make_keys",
    "start_key",
]
