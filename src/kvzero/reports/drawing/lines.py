"""Line charts: where everything in them lies; a template draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvzero.reports.drawing.axes import Scale, scale, short, ticks

__all__ = ["NUM_COLOURS", "Line", "LineChart", "line_chart"]

NUM_COLOURS = 6
WIDTH, HEIGHT = 520.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, WIDTH - 14.0, 14.0, HEIGHT - 44.0
DASHES = ("none", "7 4", "2 4")

Place = tuple[float, float]


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
    band: Sequence[tuple[float, float, float]] = ()
    """Where a band around it lies: places along the horizontal axis, its lower and its upper edge there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnLine:
    """A line as it is drawn."""

    name: str
    colour: int
    dashes: str
    width: float
    has_marks: bool
    places: Sequence[Place]
    outline: Sequence[Place]
    """The band around the line: along its lower edge and back along the upper one; empty without a band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """A line chart as it is drawn; without paths it says that nothing was measured."""

    title: str
    x_label: str
    y_label: str
    rows: Sequence[tuple[float, str]] = ()
    """Heights of the grid's lines, and the numbers beside them."""
    columns: Sequence[tuple[float, str]] = ()
    """Places of the numbers below."""
    paths: Sequence[DrawnLine] = ()
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP
    bottom: float = BOTTOM


def line_chart(title: str, lines: Sequence[Line], *, x_label: str, y_label: str, from_zero: bool = False) -> LineChart:
    """Return a chart of these lines, later ones on top.

    Args:
        title: what stands above it.
        lines: drawn in this order; those without points are left out.
        x_label: name and unit of the horizontal axis.
        y_label: name and unit of the vertical axis.
        from_zero: whether the vertical axis begins at 0.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return LineChart(title=title, x_label=x_label, y_label=y_label)
    xs, ys = zip(*(point for line in lines for point in (*line.points, *_edges(line))), strict=True)
    first, last = min(xs), max(xs)
    rows = ticks(0.0, max(ys) or 1.0) if from_zero else ticks(min(ys), max(ys))
    columns = ticks(first, last)
    across = scale(first, last if last > first else first + 1.0, LEFT, RIGHT)
    up = scale(rows[0], rows[-1], BOTTOM, TOP)
    return LineChart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        rows=[(up(row), short(row)) for row in rows],
        columns=[(across(column), short(column)) for column in columns if first <= column <= last],
        paths=[_path(line, across, up) for line in lines],
    )


def _path(line: Line, across: Scale, up: Scale) -> DrawnLine:
    return DrawnLine(
        name=line.name,
        colour=line.colour % NUM_COLOURS,
        dashes=DASHES[line.colour // NUM_COLOURS % len(DASHES)],
        width=round(line.width, 2),
        has_marks=line.has_marks or len(line.points) == 1,
        places=[(across(x), up(y)) for x, y in line.points],
        outline=[(across(x), up(y)) for x, y in _edges(line)],
    )


def _edges(line: Line) -> list[tuple[float, float]]:
    """Return the points around the band of a line."""
    return [(x, low) for x, low, _ in line.band] + [(x, high) for x, _, high in reversed(line.band)]
