"""How large a pool should be: doubled where it misses what it threw out, halved where most of it stays empty."""

import logging
from dataclasses import dataclass

from kvzero.cache.pools.pool import KVCachePool
from kvzero.errors import ConfigError

__all__ = ["PoolSizer", "PoolUse", "decide_size"]

PERIOD_QUERIES = 1_000
GOOD_HIT_RATE = 0.95
HIGH_EVICTION_RATE = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """What a pool did over a period of queries."""

    hits: int
    misses: int
    evictions: int
    peak_size: int
    """Most entries held at once."""

    @property
    def queries(self) -> int:
        """Look-ups."""
        return self.hits + self.misses


def decide_size(pool_size: int, use: PoolUse) -> int:
    """Return the size that a pool should have after a period in which it was used like this.

    It doubles where less than 95 % of the queries were answered and more than one entry per 20 queries was evicted; it
    halves where nothing was evicted and no more than a quarter was ever full. A pool that misses without evicting
    anything is asked for what it never had, and a larger one would not help.
    """
    if use.hits < GOOD_HIT_RATE * use.queries and use.evictions > HIGH_EVICTION_RATE * use.queries:
        return 2 * pool_size
    if use.evictions == 0 and 4 * use.peak_size <= pool_size:
        return pool_size // 2
    return pool_size


class PoolSizer:
    """Keeps the size of one pool between bounds and in step with its use."""

    def __init__(self, pool: KVCachePool, bounds: tuple[int, int]) -> None:
        """Watch a pool whose size is within these bounds."""
        self._pool = pool
        self._low, self._high = bounds
        self.restart()

    def restart(self) -> None:
        """Begin a new period of queries."""
        self._peak_size = 0
        self._since = self._count()

    def save(self) -> tuple[int, int, int, int]:
        """Return how far the period has come."""
        return (self._peak_size, *self._since)

    def load(self, period: tuple[int, int, int, int]) -> None:
        """Go on with a period that `save` returned."""
        self._peak_size, *since = period
        self._since = since[0], since[1], since[2]

    def adapt(self) -> None:
        """Look at the pool between two searches, before it is cleared; resize it if a period is full and says so."""
        self._peak_size = max(self._peak_size, len(self._pool))
        counts = self._count()
        hits, misses, evictions = (now - before for now, before in zip(counts, self._since, strict=True))
        use = PoolUse(hits, misses, evictions, self._peak_size)
        if use.queries < PERIOD_QUERIES:
            return
        self._resize(decide_size(self._pool.pool_size, use), f"{use}")
        self.restart()

    def make_room(self, num_entries: int) -> None:
        """Grow, as far as the bounds go, if so many entries more would make the pool evict during a search."""
        needed = len(self._pool) + num_entries
        if needed > self._pool.pool_size:
            self._resize(max(needed, 2 * self._pool.pool_size), "full during a search")

    def _resize(self, wanted: int, reason: str) -> None:
        pool_size = min(max(wanted, self._low), self._high)
        if pool_size == self._pool.pool_size:
            return
        _log.info("%s: %d -> %d slots (%s)", self._pool.name, self._pool.pool_size, pool_size, reason)
        self._pool.resize(pool_size)

    def _count(self) -> tuple[int, int, int]:
        stats = self._pool.stats
        if stats is None:
            raise ConfigError(f"{self._pool.name} keeps no statistics, so it cannot adapt to them; turn them on")
        return stats.hits, stats.misses, stats.evictions
