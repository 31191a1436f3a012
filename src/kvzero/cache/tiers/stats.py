"""What a tier has done, counted as it does it."""

from dataclasses import dataclass

__all__ = ["TierStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStats:
    """What one tier did since it was opened."""

    hits: int
    """Look-ups that were answered."""

    misses: dict[str, int]
    """Look-ups that were not, by their reason; every reason is there."""

    written: int
    """Entries that were written."""

    known: int
    """Entries that were not written because their keys were there already."""

    dropped: dict[str, int]
    """Entries that were not written for another reason: the queue was full, they were too long, or the tier is sick."""

    bytes_read: int
    """Bytes of what was looked up and found, frames included."""

    bytes_written: int
    """Bytes of what was written, frames included."""

    median_seconds: float
    """Median time of the last 1,000 calls that looked up, 0 before the first."""

    p99_seconds: float
    """The 99th percentile of the same."""

    seconds_saved: float
    """What it took to compute the entries found, less the time of all look-ups: below 0 where a tier costs."""

    @property
    def total_queries(self) -> int:
        """Look-ups."""
        return self.hits + sum(self.misses.values())

    @property
    def hit_rate(self) -> float:
        """Share of the look-ups that were answered, from 0 to 1; 0 before the first."""
        return self.hits / self.total_queries if self.total_queries else 0.0

    @property
    def read_ratio(self) -> float:
        """Bytes read over bytes written; 0 before the first are written."""
        return self.bytes_read / self.bytes_written if self.bytes_written else 0.0

    def figures(self) -> dict[str, float]:
        """Return every figure by its name, as it goes into a run's metrics."""
        counts = {
            "hits": self.hits,
            "misses": sum(self.misses.values()),
            **{f"misses_{reason}": count for reason, count in self.misses.items()},
            "written": self.written,
            "known": self.known,
            **{f"dropped_{reason}": count for reason, count in self.dropped.items()},
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
        }
        return {name: float(count) for name, count in counts.items()} | {
            "hit_rate": self.hit_rate,
            "read_ratio": self.read_ratio,
            "median_seconds": self.median_seconds,
            "p99_seconds": self.p99_seconds,
            "seconds_saved": self.seconds_saved,
        }

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.misses.items() if count)
        return (
            f"hits={self.hits}, misses={sum(self.misses.values())}{f' ({reasons})' if reasons else ''}, "
            f"written={self.written}, dropped={sum(self.dropped.values())}, hit_rate={self.hit_rate:.1%}, "
            f"seconds_saved={self.seconds_saved:.3g}"
        )
