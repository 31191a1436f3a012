"""Charts of ratios: how much longer each variant takes than the fastest, with its spread and the limit."""

from collections.abc import Callable, Sequence
from html import escape
from operator import attrgetter

from kvzero.reports.comparison.figures import ratios
from kvzero.reports.comparison.records import Comparison, Turn
from kvzero.reports.comparison.spread import Spread, spread
from kvzero.reports.comparison.svg import NUM_COLOURS, ticks
from kvzero.reports.comparison.verdict import SLOWER

__all__ = ["ratio_charts"]

WIDTH, LEFT, RIGHT, TOP, ROW = 720, 190, 90, 14, 30


def ratio_charts(comparison: Comparison) -> str:
    """Return two figures with one row per variant: all its time, and that of collecting, over the fastest one's."""
    return _chart(comparison, "Time per environment step", attrgetter("seconds")) + _chart(
        comparison, "Time of collecting alone, per environment step", attrgetter("collect_seconds")
    )


def _chart(comparison: Comparison, subject: str, seconds: Callable[[Turn], float]) -> str:
    names = [variant.name for variant in comparison.variants]
    failed = {run.variant for run in comparison.runs if run.failure is not None}
    able = [name for name in names if name not in failed] or names
    fastest = min(able, key=lambda name: _slowest_rival(comparison, name, names, seconds))
    rows = [
        (index, name, spread(ratios(comparison, name, fastest, seconds=seconds))) for index, name in enumerate(names)
    ]
    found = [(index, name, ratio) for index, name, ratio in rows if ratio]
    if not found:
        return ""
    title = f"{subject}, {fastest} = 1"
    height = TOP + ROW * len(found) + 40
    return (
        f'<figure class="wide"><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}">{_rows(found, height)}</svg></figure>'
    )


def _slowest_rival(comparison: Comparison, name: str, names: Sequence[str], seconds: Callable[[Turn], float]) -> float:
    """Return the largest ratio of a variant's time to another's; infinite where there is none to compare."""
    found = (spread(ratios(comparison, name, other, seconds=seconds)) for other in names)
    return max((ratio.median for ratio in found if ratio), default=float("inf"))


def _rows(found: Sequence[tuple[int, str, Spread]], height: int) -> str:
    columns = ticks(min(1.0, *(ratio.low for _, _, ratio in found)), max(1.1, *(ratio.high for _, _, ratio in found)))
    bottom = height - 34

    def across(value: float) -> float:
        return LEFT + (value - columns[0]) / (columns[-1] - columns[0]) * (WIDTH - LEFT - RIGHT)

    grid = "".join(
        f'<line class="grid" x1="{across(column):.1f}" x2="{across(column):.1f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text x="{across(column):.1f}" y="{bottom + 16}" text-anchor="middle">{column:.4g}</text>'
        for column in columns
    )
    limit = across(1 + SLOWER)
    grid += (
        f'<line class="limit" x1="{limit:.1f}" x2="{limit:.1f}" y1="{TOP - 6}" y2="{bottom}"/>'
        f'<text class="limit" x="{limit:.1f}" y="{bottom + 30}" text-anchor="middle">5 % limit</text>'
    )
    drawn = []
    for place, (index, name, ratio) in enumerate(found):
        y, middle = TOP + ROW * (place + 0.5), across(ratio.median)
        drawn.append(
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<g class="c{index % NUM_COLOURS}"><line class="whisker" x1="{across(ratio.low):.1f}" '
            f'x2="{across(ratio.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{middle:.1f}" cy="{y}" r="6"/></g>'
            f'<text x="{WIDTH - RIGHT + 10}" y="{y + 4}">{ratio.median:.3f}</text>'
        )
    return grid + "".join(drawn)
