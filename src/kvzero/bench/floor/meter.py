"""The fastest of several ways of computing the same layers, measured in turns."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from kvzero.bench.turns import Searcher, take_turn

__all__ = ["Floor", "FloorMeter"]

ROUND_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Floor:
    """The fastest way found."""

    milliseconds: float
    """Time of the linear layers of one simulation."""

    way: str
    """How they were computed."""


class FloorMeter:
    """Measures all ways in turns, one round at a time, between whatever else is measured."""

    def __init__(self, ways: Mapping[str, Searcher], *, min_seconds: float = ROUND_SECONDS) -> None:
        self._ways = ways
        self._min_seconds = min_seconds
        self._medians: dict[str, list[float]] = {name: [] for name in ways}

    def measure(self) -> None:
        """Let each way have one turn."""
        for name, way in self._ways.items():
            turn = take_turn(way, num_searches=3, min_seconds=self._min_seconds)
            self._medians[name].append(statistics.median(turn))

    @property
    def floor(self) -> Floor:
        """The way whose median turn was fastest."""
        seconds = {name: statistics.median(turns) for name, turns in self._medians.items()}
        best = min(seconds, key=seconds.__getitem__)
        return Floor(1000 * seconds[best], best)
