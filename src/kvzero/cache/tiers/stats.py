"""What a tier has done: counters that it adds to, and the record that is made of them."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

__all__ = ["DROP_REASONS", "MISS_REASONS", "DropReason", "MissReason", "TierCounts", "TierStats"]

MissReason = Literal["absent", "timeout", "open", "corrupt", "foreign", "oversize"]
"""Why a look-up gave nothing: there is no such key; the tier did not answer, or not in time; it failed so often that it
is not asked for now; what it gave is damaged; is another's, or of another format; is longer than any entry may be."""

MISS_REASONS: tuple[MissReason, ...] = get_args(MissReason)

DropReason = Literal["queue", "oversize", "sick"]
"""Why an entry was not written: too much was waiting; it is longer than any may be; the tier does not take it."""

DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)

NUM_TIMES = 1_000
"""Newest look-ups whose times are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStats:
    """What one tier did since it was opened."""

    hits: int
    """Look-ups that were answered."""

    misses: dict[MissReason, int]
    """Look-ups that were not, by their reason; every reason is there."""

    written: int
    """Entries that were written."""

    known: int
    """Entries that were not written because their keys were there already."""

    dropped: dict[DropReason, int]
    """Entries that were not written for another reason; every reason is there."""

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
    def miss_rate(self) -> float:
        """Share of the look-ups that were not answered, from 0 to 1; 0 before the first."""
        return 1 - self.hit_rate if self.total_queries else 0.0

    @property
    def read_ratio(self) -> float:
        """Bytes read over bytes written; 0 before the first are written."""
        return self.bytes_read / self.bytes_written if self.bytes_written else 0.0

    def figures(self) -> dict[str, float]:
        """Return every figure by its name, as it goes into a run's metrics."""
        counts = {
            "total_queries": self.total_queries,
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
            "miss_rate": self.miss_rate,
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
            f"bytes_read={self.bytes_read}, bytes_written={self.bytes_written}, read_ratio={self.read_ratio:.3g}, "
            f"median_seconds={self.median_seconds:.3g}, p99_seconds={self.p99_seconds:.3g}, "
            f"seconds_saved={self.seconds_saved:.3g}"
        )


@dataclass(slots=True)
class TierCounts:
    """What one tier counts; each counter is added to by one thread alone, the one that works or the one that writes."""

    hits: int = 0
    misses: Counter[MissReason] = field(default_factory=Counter)
    bytes_read: int = 0
    seconds_found: float = 0.0
    """What it took to compute all that was found."""
    seconds_looked: float = 0.0
    """What it took to look."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=NUM_TIMES))
    refused: Counter[DropReason] = field(default_factory=Counter)
    """What the thread that works did not even put into the queue."""

    written: int = 0
    known: int = 0
    bytes_written: int = 0
    lost: Counter[DropReason] = field(default_factory=Counter)
    """What the thread that writes could not write."""

    def count_misses(self, reasons: Iterable[MissReason]) -> None:
        """Count look-ups that gave nothing."""
        self.misses.update(reasons)

    def count_time(self, seconds: float) -> None:
        """Count the time of a call that looked up."""
        self.seconds_looked += seconds
        self.times.append(seconds)

    def record(self) -> TierStats:
        """Return the counts as of now."""
        median, p99 = np.percentile(self.times, (50, 99)).tolist() if self.times else (0.0, 0.0)
        return TierStats(
            hits=self.hits,
            misses={reason: self.misses[reason] for reason in MISS_REASONS},
            written=self.written,
            known=self.known,
            dropped={reason: self.refused[reason] + self.lost[reason] for reason in DROP_REASONS},
            bytes_read=self.bytes_read,
            bytes_written=self.bytes_written,
            median_seconds=median,
            p99_seconds=p99,
            seconds_saved=self.seconds_found - self.seconds_looked,
        )
