"""What a search costs as one size grows and all others stay: simulations, environments, context, width."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from kvzero.bench.config import SearchBench
from kvzero.bench.own import OwnSearch
from kvzero.bench.threads import torch_threads
from kvzero.bench.turns import take_turn
from kvzero.reports import plot_costs

__all__ = ["AXES", "Line", "Sweep", "draw_sweep", "fit_line", "measure_sweep"]

AXES: Mapping[str, Sequence[int]] = {
    "num_simulations": (8, 25, 50, 100, 200),
    "num_envs": (1, 4, 16, 64, 256),
    "context_tokens": (4, 8, 16, 32, 64),
    "embed_dim": (64, 128, 256, 512, 768),
}
"""The sizes that are changed, each alone, and the values that it takes."""

MIN_SEARCHES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """Cost along one size."""

    sizes: list[int]
    """Values of the size."""

    milliseconds: list[float]
    """Milliseconds of one whole search at each; the median."""

    power: float
    """`p` of the `milliseconds ~ sizes ** p` that fits best: 1 is linear, less is better than linear."""

    milliseconds_each: float
    """Slope of the straight line that fits best."""

    fixed_milliseconds: float
    """What that line begins with, at size 0."""

    r_squared: float
    """Share of the cost's variance that the straight line explains: near 1 where cost grows linearly."""

    worst_growth: float
    """The most that cost grew from one value to a larger one, over how much the size grew; up to 1 is linear."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Costs around one shape."""

    shape: str
    """The sizes that stay, in words."""

    lines: dict[str, Line]
    """What a search costs along each size, by its name."""

    def as_json(self) -> dict[str, Any]:
        """Return the lines by the name of their size."""
        return {name: asdict(line) for name, line in self.lines.items()}


def measure_sweep(config: SearchBench, axes: Mapping[str, Sequence[int]] | None = None) -> Sweep:
    """Measure searches of shapes that differ from the config's in one size each."""
    shape = ", ".join(f"{name} {getattr(config, name)}" for name in AXES) + f", {config.dtype}"
    with torch_threads(config.num_threads):
        return Sweep(shape, {name: _measure_line(config, name, sizes) for name, sizes in (axes or AXES).items()})


def _measure_line(config: SearchBench, name: str, sizes: Sequence[int]) -> Line:
    milliseconds = []
    for size in sizes:
        seconds = take_turn(
            OwnSearch(replace(config, **cast("dict[str, Any]", {name: size}))), num_searches=MIN_SEARCHES
        )
        milliseconds.append(1000 * statistics.median(seconds))
    return fit_line(sizes, milliseconds)


def fit_line(sizes: Sequence[int], milliseconds: Sequence[float]) -> Line:
    """Return costs with the figures that say how they grow."""
    each, fixed = statistics.linear_regression(sizes, milliseconds)
    return Line(
        sizes=list(sizes),
        milliseconds=[round(cost, 3) for cost in milliseconds],
        power=round(fit_power(sizes, milliseconds), 3),
        milliseconds_each=round(each, 4),
        fixed_milliseconds=round(fixed, 3),
        r_squared=round(statistics.correlation(sizes, milliseconds) ** 2, 4),
        worst_growth=round(worst_growth(sizes, milliseconds), 3),
    )


def fit_power(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return the slope of the least-squares line through the logarithms of sizes and costs."""
    slope, _ = statistics.linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs])
    return slope


def worst_growth(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return the largest `(cost ratio) / (size ratio)` of any two sizes."""
    points = sorted(zip(sizes, costs, strict=True))
    return max(
        (late_cost / cost) / (late_size / size)
        for index, (size, cost) in enumerate(points)
        for late_size, late_cost in points[index + 1 :]
    )


def draw_sweep(sweep: Sweep, path: Path) -> None:
    """Draw the lines into a PNG file.

    Raises:
        RunError: if it cannot be written.
    """
    lines = {name: (line.sizes, line.milliseconds) for name, line in sweep.lines.items()}
    plot_costs(path, lines, title=f"One search; elsewhere {sweep.shape}")
