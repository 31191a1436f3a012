"""How two searches are compared: they take turns, so that whatever slows the machine down slows both down."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Pair", "Searcher", "compete", "take_turn"]

TURN_SECONDS = 0.15
"""A turn lasts at least this long, so that a search of a millisecond is not judged by a few of them."""


@runtime_checkable
class Searcher(Protocol):
    """Somebody who searches the shape in question."""

    def search(self) -> float:
        """Search once; return the seconds that it took."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """Seconds per search of two turns, one straight after the other."""

    ours: list[float]
    peers: list[float]

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer we were, by the medians of both turns."""
        return statistics.median(self.peers) / statistics.median(self.ours)


def take_turn(searcher: Searcher, *, num_searches: int, min_seconds: float = TURN_SECONDS) -> list[float]:
    """Return the seconds of at least so many searches, and of more until they have taken `min_seconds` together.

    One search before them is not counted: it finds the caches filled, and the threads awake, of whoever came before.
    """
    searcher.search()
    seconds: list[float] = []
    while len(seconds) < num_searches or sum(seconds) < min_seconds:
        seconds.append(searcher.search())
    return seconds


def compete(
    ours: Searcher, peer: Searcher, *, num_pairs: int, num_searches: int, min_seconds: float = TURN_SECONDS
) -> Iterator[Pair]:
    """Let both take turns, and yield each pair; who begins changes from pair to pair."""
    for number in range(num_pairs):
        order = (ours, peer) if number % 2 == 0 else (peer, ours)
        first, second = (take_turn(each, num_searches=num_searches, min_seconds=min_seconds) for each in order)
        yield Pair(first, second) if number % 2 == 0 else Pair(second, first)
