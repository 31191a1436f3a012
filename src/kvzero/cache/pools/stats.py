"""What a cache has done: counters that a pool adds to, and the record that is made of them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

__all__ = ["CacheStats", "Counters", "LevelStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What one pool, or several together, did since it was made or last reset; clearing a pool changes `size` alone."""

    hits: int
    """Look-ups that were answered."""

    misses: int
    """Look-ups that were not."""

    evictions: int
    """Entries that were thrown out to make room; those that `clear` removes are not counted."""

    size: int
    """Entries held now."""

    pool_size: int
    """Entries that fit."""

    bytes: int
    """Bytes allocated for keys and values, whether or not the entries are in use."""

    resizes: int = 0
    """How often the pool was made larger or smaller."""

    regenerate_seconds: float = 0.0
    """Seconds spent on computing anew what had been missed."""

    @property
    def total_queries(self) -> int:
        """Look-ups."""
        return self.hits + self.misses

    @property
    def hit_rate(self) -> float:
        """Share of the look-ups that were answered, from 0 to 1; 0 before the first."""
        return self.hits / self.total_queries if self.total_queries else 0.0

    @property
    def miss_rate(self) -> float:
        """Share of the look-ups that were not answered, from 0 to 1; 0 before the first."""
        return self.misses / self.total_queries if self.total_queries else 0.0

    def figures(self) -> dict[str, float]:
        """Return every figure by its name, as it goes into a run's metrics."""
        counts = {
            "hits": self.hits,
            "misses": self.misses,
            "evictions": self.evictions,
            "total_queries": self.total_queries,
            "size": self.size,
            "pool_size": self.pool_size,
            "bytes": self.bytes,
            "resizes": self.resizes,
        }
        rates = {"hit_rate": self.hit_rate, "miss_rate": self.miss_rate, "regenerate_seconds": self.regenerate_seconds}
        return {name: float(count) for name, count in counts.items()} | rates

    def __str__(self) -> str:
        return (
            f"hits={self.hits}, misses={self.misses}, evictions={self.evictions}, size={self.size}, "
            f"hit_rate={self.hit_rate:.1%}"
        )

    @staticmethod
    def total(parts: Iterable["CacheStats"]) -> "CacheStats":
        """Return the statistics of several pools taken together."""
        listed = list(parts)
        return CacheStats(
            hits=sum(part.hits for part in listed),
            misses=sum(part.misses for part in listed),
            evictions=sum(part.evictions for part in listed),
            size=sum(part.size for part in listed),
            pool_size=sum(part.pool_size for part in listed),
            bytes=sum(part.bytes for part in listed),
            resizes=sum(part.resizes for part in listed),
            regenerate_seconds=sum(part.regenerate_seconds for part in listed),
        )


@dataclass(frozen=True, slots=True)
class LevelStats:
    """The statistics of a store's two levels."""

    init_pools: dict[str, CacheStats]
    """Of each environment's roots, under `env_0`, `env_1`, ..."""

    recur_pool: CacheStats
    """Of the nodes of searches."""

    @classmethod
    def of(cls, init_pools: Iterable[CacheStats | None], recur_pool: CacheStats) -> "LevelStats":
        """Return the statistics of pools in the order of their environments."""
        named = {f"env_{env}": stats for env, stats in enumerate(init_pools) if stats is not None}
        return cls(named, recur_pool)

    @property
    def init_total(self) -> CacheStats:
        """All init pools taken together."""
        return CacheStats.total(self.init_pools.values())

    @property
    def total(self) -> CacheStats:
        """Both levels taken together."""
        return CacheStats.total([self.init_total, self.recur_pool])

    def figures(self) -> dict[str, float]:
        """Return every figure as `init/<figure>`, `recur/<figure>` and, of both together, `global/<figure>`."""
        parts = {"init": self.init_total, "recur": self.recur_pool, "global": self.total}
        return {f"{part}/{name}": figure for part, stats in parts.items() for name, figure in stats.figures().items()}


@dataclass(slots=True)
class Counters:
    """What one pool counts; a pool without statistics has none."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    resizes: int = 0
    regenerate_seconds: float = 0.0

    def count_query(self, *, is_hit: bool) -> None:
        """Count a look-up."""
        if is_hit:
            self.hits += 1
        else:
            self.misses += 1

    def record(self, *, size: int, pool_size: int, nbytes: int) -> CacheStats:
        """Return the counts as of now beside the sizes of the pool."""
        return CacheStats(**asdict(self), size=size, pool_size=pool_size, bytes=nbytes)
