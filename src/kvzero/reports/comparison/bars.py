"""Charts of ratios: how much longer each variant takes than the fastest, with its spread and the limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from kvzero.reports.comparison.figures import ratios
from kvzero.reports.comparison.records import Comparison, Turn
from kvzero.reports.comparison.spread import Spread, spread
from kvzero.reports.comparison.verdict import SLOWER
from kvzero.reports.drawing.axes import scale, ticks
from kvzero.reports.drawing.lines import NUM_COLOURS

__all__ = ["BarChart", "ratio_charts"]

WIDTH, LEFT, RIGHT, TOP, ROW = 720.0, 190.0, 630.0, 14.0, 30.0
BELOW = 34.0
"""Room below the rows, for the numbers and what the limit is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row: where its ratio and the spread around it lie."""

    name: str
    colour: int
    y: float
    low: float
    median: float
    high: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """A chart of ratios as it is drawn."""

    title: str
    columns: Sequence[tuple[float, str]]
    """Places of the grid's lines, and the numbers below them."""
    limit: float
    """Place of the ratio above which a variant is called slower."""
    limit_label: str
    bars: Sequence[Bar]
    height: float
    bottom: float
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP


def ratio_charts(comparison: Comparison) -> list[BarChart]:
    """Return charts with one row per variant: all its time, and that of collecting, over the fastest one's."""
    charts = (
        _chart(comparison, "Time per environment step", attrgetter("seconds")),
        _chart(comparison, "Time of collecting alone, per environment step", attrgetter("collect_seconds")),
    )
    return [chart for chart in charts if chart]


def _chart(comparison: Comparison, subject: str, seconds: Callable[[Turn], float]) -> BarChart | None:
    names = [variant.name for variant in comparison.variants]
    failed = {run.variant for run in comparison.runs if run.failure is not None}
    able = [name for name in names if name not in failed] or names
    fastest = min(able, key=lambda name: _slowest_rival(comparison, name, names, seconds))
    rows = [
        (index, name, spread(ratios(comparison, name, fastest, seconds=seconds))) for index, name in enumerate(names)
    ]
    found = [(index, name, ratio) for index, name, ratio in rows if ratio]
    return _draw(f"{subject}, {fastest} = 1", found) if found else None


def _slowest_rival(comparison: Comparison, name: str, names: Sequence[str], seconds: Callable[[Turn], float]) -> float:
    """Return the largest ratio of a variant's time to another's; infinite where there is none to compare."""
    found = (spread(ratios(comparison, name, other, seconds=seconds)) for other in names)
    return max((ratio.median for ratio in found if ratio), default=float("inf"))


def _draw(title: str, found: Sequence[tuple[int, str, Spread]]) -> BarChart:
    columns = ticks(min(1.0, *(ratio.low for _, _, ratio in found)), max(1.1, *(ratio.high for _, _, ratio in found)))
    across, bottom = scale(columns[0], columns[-1], LEFT, RIGHT), TOP + ROW * len(found) + 6
    return BarChart(
        title=title,
        columns=[(across(column), f"{column:.4g}") for column in columns],
        limit=across(1 + SLOWER),
        limit_label=f"{100 * SLOWER:g} % limit",
        bars=[
            Bar(
                name=name,
                colour=index % NUM_COLOURS,
                y=TOP + ROW * (place + 0.5),
                low=across(ratio.low),
                median=across(ratio.median),
                high=across(ratio.high),
                label=f"{ratio.median:.3f}",
            )
            for place, (index, name, ratio) in enumerate(found)
        ],
        height=bottom + BELOW,
        bottom=bottom,
    )
