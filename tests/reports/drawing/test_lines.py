"""Charts place every point where it belongs and hold whatever is given to them."""

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.reports.drawing.axes import short, ticks
from kvzero.reports.drawing.lines import Line, line_chart


def test_higher_is_up_and_later_is_right() -> None:
    chart = line_chart("a", [Line("x", [(0.0, 1.0), (5.0, 3.0), (10.0, 2.0)], 0)], x_label="", y_label="")
    (line,) = (path.places for path in chart.paths)
    assert line[0][0] < line[1][0] < line[2][0]
    assert line[1][1] < line[2][1] < line[0][1]


def test_a_point_lies_between_the_numbers_that_it_is_between() -> None:
    chart = line_chart("a", [Line("x", [(0.0, 0.0), (5.0, 3.0), (10.0, 4.0)], 0)], x_label="", y_label="")
    across = {label: x for x, label in chart.columns}
    up = {label: y for y, label in chart.rows}
    x, y = chart.paths[0].places[1]
    assert (x, y) == ((across["4"] + across["6"]) / 2, up["3"])


def test_lines_without_points_are_left_out() -> None:
    assert line_chart("a", [Line("x", [], 0)], x_label="", y_label="").paths == ()


def test_a_single_point_is_marked() -> None:
    chart = line_chart(
        "a", [Line("x", [(0.0, 1.0)], 0), Line("y", [(0.0, 1.0), (1.0, 2.0)], 1)], x_label="", y_label=""
    )
    assert [path.has_marks for path in chart.paths] == [True, False]


def test_an_axis_from_zero_begins_there_even_where_all_is_zero() -> None:
    for top in (0.0, 3.0):
        chart = line_chart("a", [Line("x", [(0.0, 0.0), (1.0, top)], 0)], x_label="", y_label="", from_zero=True)
        assert chart.rows[0][1] == "0"
        assert chart.paths[0].places[0][1] == chart.rows[0][0]
        assert chart.rows[-1][1] != "0"


def test_variants_beyond_the_last_colour_are_dashed() -> None:
    chart = line_chart("a", [Line("x", [(0.0, 1.0), (1.0, 2.0)], index) for index in (1, 7)], x_label="", y_label="")
    assert [(path.colour, path.dashes) for path in chart.paths] == [(1, "none"), (1, "7 4")]


def test_numbers_on_axes_have_no_needless_digits() -> None:
    assert [short(value) for value in (0.0, 1e-15, 0.25, 20.0, 1_500.0, -2e6, 3e9)] == [
        "0", "0", "0.25", "20", "1.5k", "-2M", "3G",
    ]  # fmt: skip


@settings(max_examples=200, derandomize=True)
@given(low=st.floats(-1e9, 1e9), span=st.floats(0, 1e9))
def test_ticks_are_few_even_and_hold_what_is_shown(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 9
    assert found[0] <= low + 1e-6 * max(span, abs(low))
    assert found[-1] >= low + span - 1e-6 * max(span, abs(low))
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3) for step in steps)


@settings(max_examples=100, derandomize=True)
@given(points=st.lists(st.tuples(st.floats(0, 1e7), st.floats(-1e9, 1e12)), min_size=1, max_size=5))
def test_nothing_is_drawn_outside_the_axes(points: list[tuple[float, float]]) -> None:
    chart = line_chart("a", [Line("x", sorted(points), 0)], x_label="", y_label="")
    for x, y in chart.paths[0].places:
        assert chart.left - 1 <= x <= chart.right + 1
        assert chart.top - 1 <= y <= chart.bottom + 1
