"""Line charts as inline SVG, drawn with the page's own colours, so that they follow light and dark."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["NUM_COLOURS", "Line", "line_chart", "ticks"]

NUM_COLOURS = 6
WIDTH, HEIGHT = 520.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 14.0, 44.0
DASHES = ("none", "7 4", "2 4")
FLAT = 1e-9
"""Span, as a share of the values, below which they are shown as one."""
Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: points in order, and which of the page's colours it has."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    """Index of a variant: variants beyond the last colour begin anew with dashes."""
    width: float = 2.0
    has_marks: bool = False
    """Whether points are marked, where they are few."""


def line_chart(title: str, lines: Sequence[Line], *, x_label: str, y_label: str, from_zero: bool = False) -> str:
    """Return a figure with one chart; with a note in place of lines where no line has a point.

    Args:
        title: what stands above it.
        lines: drawn in this order, later ones on top.
        x_label: name and unit of the horizontal axis.
        y_label: name and unit of the vertical axis.
        from_zero: whether the vertical axis begins at 0.
    """
    points = [point for line in lines for point in line.points]
    body = _plot(lines, points, from_zero=from_zero) if points else _note()
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{body}{_labels(x_label, y_label)}</svg></figure>'
    )


def ticks(low: float, high: float, num: int = 5) -> list[float]:
    """Return about `num` round numbers from at most `low` to at least `high`."""
    if high - low <= FLAT * max(abs(low), abs(high)):
        margin = abs(low) / 2 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / num
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _plot(lines: Sequence[Line], points: Sequence[tuple[float, float]], *, from_zero: bool) -> str:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    rows = ticks(0.0 if from_zero else min(ys), max(ys))
    first, last = min(xs), max(xs)
    across = _scale(first, last if last > first else first + 1.0, LEFT, WIDTH - RIGHT)
    up = _scale(rows[0], rows[-1], HEIGHT - BOTTOM, TOP)
    columns = [tick for tick in ticks(first, last) if first <= tick <= last]
    return _grid(rows, up) + _columns(columns, across) + "".join(_draw(line, across, up) for line in lines)


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _grid(rows: Sequence[float], up: Scale) -> str:
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(row):.1f}" y2="{up(row):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{up(row) + 4:.1f}" text-anchor="end">{_short(row)}</text>'
        for row in rows
    )


def _columns(columns: Sequence[float], across: Scale) -> str:
    return "".join(
        f'<text x="{across(column):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_short(column)}</text>'
        for column in columns
    )


def _draw(line: Line, across: Scale, up: Scale) -> str:
    places = [(across(x), up(y)) for x, y in line.points]
    if not places:
        return ""
    style = f'class="c{line.colour % NUM_COLOURS}" stroke-dasharray="{DASHES[line.colour // NUM_COLOURS % 3]}"'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in places)
    is_marked = line.has_marks or len(places) == 1
    return (
        f'<g {style}><title>{escape(line.name)}</title><polyline stroke-width="{line.width}" points="{path}"/>'
        f"{marks if is_marked else ''}</g>"
    )


def _labels(x_label: str, y_label: str) -> str:
    middle, below = (TOP + HEIGHT - BOTTOM) / 2, (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<text x="{below}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )


def _note() -> str:
    return f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">nothing was measured</text>'


def _short(value: float) -> str:
    """Return a tick's number without needless digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"
