"""The scaling of values, by its properties."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.search.tree import scaled_value

numbers = st.floats(-1e6, 1e6)
floors = st.floats(1e-6, 1e3)


@given(value=numbers, ends=st.tuples(numbers, numbers), floor=floors)
def test_a_scaled_value_lies_between_0_and_1(value: float, ends: tuple[float, float], floor: float) -> None:
    assert 0.0 <= scaled_value(value, min(ends), max(ends), floor) <= 1.0


@given(values=st.tuples(numbers, numbers), ends=st.tuples(numbers, numbers), floor=floors)
def test_values_closer_than_the_smallest_range_stay_close(
    values: tuple[float, float], ends: tuple[float, float], floor: float
) -> None:
    first, second = (scaled_value(value, min(ends), max(ends), floor) for value in values)
    assert abs(first - second) <= abs(values[0] - values[1]) / floor * (1 + 1e-9) + 1e-9


@given(low=numbers, span=st.floats(0.0, 1e6), share=st.floats(0.0, 1.0), floor=floors)
def test_a_range_above_the_smallest_is_mapped_to_0_and_1_in_order(
    low: float, span: float, share: float, floor: float
) -> None:
    high = low + floor + span
    assert scaled_value(low, low, high, floor) == 0.0
    np.testing.assert_allclose(scaled_value(high, low, high, floor), 1.0, atol=1e-4)
    np.testing.assert_allclose(scaled_value(low + share * (high - low), low, high, floor), share, atol=1e-3)


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.0])
def test_before_the_first_bound_every_value_is_0(value: float) -> None:
    assert scaled_value(value, inf, -inf, 0.01) == 0.0
