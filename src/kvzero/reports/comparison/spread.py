"""A figure that was measured several times: its median, and how far it spread."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Spread", "spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, tenth and ninetieth percentile of some measurements."""

    median: float
    low: float
    """A tenth of the measurements are no more than this."""
    high: float
    """A tenth of the measurements are no less than this."""
    num: int
    """How many measurements there were."""


def spread(values: Iterable[float]) -> Spread | None:
    """Return the spread of these values; None of none."""
    found = list(values)
    if not found:
        return None
    low, median, high = np.quantile(found, [0.1, 0.5, 0.9]).tolist()
    return Spread(median, low, high, len(found))
