"""Charts draw every point where it belongs and hold whatever is given to them."""

import itertools
import math
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.reports.comparison.svg import Line, line_chart, ticks


def polylines(chart: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]
        for points in re.findall(r'<polyline[^>]* points="([^"]*)"', chart)
    ]


def test_higher_is_up_and_later_is_right() -> None:
    (line,) = polylines(line_chart("a", [Line("x", [(0.0, 1.0), (5.0, 3.0), (10.0, 2.0)], 0)], x_label="", y_label=""))
    assert line[0][0] < line[1][0] < line[2][0]
    assert line[1][1] < line[2][1] < line[0][1]


def test_a_chart_is_one_piece_of_markup_with_its_names_escaped() -> None:
    chart = line_chart("a < b", [Line("<x>", [(0.0, 1.0)], 8)], x_label="1 & 2", y_label="'")
    figure = ElementTree.fromstring(chart)
    assert [node.text for node in figure.iter("figcaption")] == ["a < b"]
    assert [node.text for node in figure.iter("title")] == ["<x>"]
    assert "1 & 2" in [node.text for node in figure.iter("text")]


def test_without_points_it_says_so() -> None:
    assert "nothing was measured" in line_chart("a", [Line("x", [], 0)], x_label="", y_label="")


def test_variants_beyond_the_last_colour_are_dashed() -> None:
    chart = line_chart("a", [Line("x", [(0.0, 1.0), (1.0, 2.0)], index) for index in (1, 7)], x_label="", y_label="")
    assert re.findall(r'class="(c\d)" stroke-dasharray="([^"]*)"', chart) == [("c1", "none"), ("c1", "7 4")]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(low=st.floats(-1e9, 1e9), span=st.floats(0, 1e9))
def test_ticks_are_few_even_and_hold_what_is_shown(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 9
    assert found[0] <= low + 1e-6 * max(span, abs(low))
    assert found[-1] >= low + span - 1e-6 * max(span, abs(low))
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3) for step in steps)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(points=st.lists(st.tuples(st.floats(0, 1e7), st.floats(-1e9, 1e12)), min_size=1, max_size=5))
def test_nothing_is_drawn_outside_the_axes(points: list[tuple[float, float]]) -> None:
    chart = line_chart("a", [Line("x", sorted(points), 0)], x_label="", y_label="")
    for x, y in polylines(chart)[0]:
        assert 61 <= x <= 507
        assert 13 <= y <= 237
