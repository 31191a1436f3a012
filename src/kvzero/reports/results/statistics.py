"""Aggregates over seeds and tasks, with intervals of a stratified bootstrap, by rliable (Agarwal et al. 2021)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kvzero.errors import ConfigError

__all__ = ["LEVEL", "NAMES", "Estimate", "aggregate"]

NAMES = ("mean", "median", "IQM", "optimality gap")
LEVEL = 0.95
"""Share of bootstrap samples that lie within an interval."""

NUM_SAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """An aggregate, and the interval that it lies in where one may be drawn."""

    value: float
    low: float | None = None
    high: float | None = None


def aggregate(scores: Float[np.ndarray, "run task"], *, has_interval: bool) -> dict[str, Estimate]:
    """Return mean, median, interquartile mean and optimality gap of scores, of which 1 is the best or a person's.

    The median is that of the tasks' means, or with one task that of its runs. The gap is what runs lack to 1 on
    average, those beyond 1 counting as 1. Each task is a stratum: in a bootstrap sample it has as many runs of its own.

    Raises:
        ConfigError: if the extra `report` is not installed.
    """
    try:
        from rliable import library, metrics  # noqa: PLC0415  # optional, and slow to import
    except ImportError as error:
        raise ConfigError(f'a report needs {error.name}; install it with: pip install "kvzero[report]"') from error

    def measure(sample: Float[np.ndarray, "run task"]) -> Float[np.ndarray, " name"]:
        median = metrics.aggregate_median(sample) if sample.shape[1] > 1 else np.median(sample)
        others = metrics.aggregate_iqm(sample), metrics.aggregate_optimality_gap(sample)
        return np.array([metrics.aggregate_mean(sample), median, *others])

    if not has_interval:
        return {name: Estimate(float(value)) for name, value in zip(NAMES, measure(scores), strict=True)}
    with _seeded():
        points, intervals = library.get_interval_estimates(
            {"all": scores}, measure, reps=NUM_SAMPLES, confidence_interval_size=LEVEL
        )
    rows = zip(NAMES, points["all"], *intervals["all"], strict=True)
    return {name: Estimate(float(value), float(low), float(high)) for name, value, low, high in rows}


@contextmanager
def _seeded() -> Iterator[None]:
    """Let the same scores give the same interval: rliable draws from NumPy's own state, whatever it is given."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
