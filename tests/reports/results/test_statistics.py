"""Aggregates are what they are called, and their intervals what a bootstrap that anyone can read says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rliable", exc_type=ImportError)

from kvzero.reports.results.statistics import NAMES, aggregate

SCORES = np.array([[0.1, 0.9], [0.4, 0.2], [0.7, 1.5], [0.3, 0.8], [0.9, 1.0]])


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9))
@settings(max_examples=15)
def test_aggregates_of_one_task_are_those_of_its_runs(values):
    found = aggregate(np.array(values)[:, None], has_interval=False)
    ordered, cut = sorted(values), len(values) // 4
    assert found["mean"].value == pytest.approx(np.mean(values))
    assert found["median"].value == pytest.approx(np.median(values))
    assert found["IQM"].value == pytest.approx(np.mean(ordered[cut : len(values) - cut]))
    assert found["optimality gap"].value == pytest.approx(1 - np.mean([min(value, 1.0) for value in values]))
    assert [estimate.low for estimate in found.values()] == [None] * 4


def test_the_median_over_tasks_is_that_of_their_means():
    scores = np.column_stack([SCORES, [0.0, 0.0, 0.0, 0.0, 9.0]])
    assert aggregate(scores, has_interval=False)["median"].value == pytest.approx(SCORES[:, 1].mean())


def test_intervals_are_those_of_resampling_runs_within_each_task():
    rng = np.random.default_rng(0)
    means = [
        np.mean([rng.choice(SCORES[:, task], size=len(SCORES)) for task in range(SCORES.shape[1])])
        for _ in range(4_000)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    found = aggregate(SCORES, has_interval=True)["mean"]
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_the_same_scores_give_the_same_interval_and_nobody_elses_draws_change():
    np.random.seed(7)  # noqa: NPY002
    first = aggregate(SCORES, has_interval=True)
    drawn = np.random.random()  # noqa: NPY002
    assert aggregate(SCORES, has_interval=True) == first
    np.random.seed(7)  # noqa: NPY002
    assert np.random.random() == drawn  # noqa: NPY002
    assert all(first[name].low <= first[name].value <= first[name].high for name in NAMES)
