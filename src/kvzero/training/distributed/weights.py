"""Weights as they go out: counted by version, put into the object store once each, the two newest kept there."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvzero.model import Network

__all__ = ["Weights", "WeightsBoard"]

NUM_KEPT = 2
"""Versions that are held for who asks for them; an actor that computes with an older one holds it until it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """All that a network knows, at one time."""

    version: int
    """How many times weights had changed between two rounds."""

    num_updates: int
    """Updates that they have had."""

    arrays: dict[str, np.ndarray]
    """By their names in a checkpoint."""


class WeightsBoard:
    """Counts the versions of a network's weights, and gives the newest out."""

    def __init__(self, put: Callable[[Weights], Any]) -> None:
        """Give weights out by what `put` returns for them; nobody else is to hold on to it."""
        self.version = 0
        """The newest version that was looked at; 0 before the first."""
        self._put = put
        self._seen: int | None = None
        self._num_updates = 0
        self._newest: Any = None
        self._kept: deque[Any] = deque(maxlen=NUM_KEPT)

    def look(self, network: Network, num_updates: int) -> None:
        """Count another version if the weights have changed since the last look."""
        if network.version != self._seen:
            self._seen = network.version
            self._num_updates = num_updates
            self._newest = None
            self.version += 1

    def give(self, network: Network) -> Any:
        """Return what stands for the version that was looked at last; it is put out when it is first asked for."""
        if self._newest is None:
            weights = Weights(version=self.version, num_updates=self._num_updates, arrays=network.arrays())
            self._newest = self._put(weights)
            self._kept.append(self._newest)
        return self._newest

    def clear(self) -> None:
        """Hold nothing any more."""
        self._newest = None
        self._kept.clear()
