"""One setting over several tasks is aggregated over all of them, where each has as many runs."""

import pytest
from tests.reports.results.runs import result

pytest.importorskip("rliable", exc_type=ImportError)

from kvzero.reports.results.groups import group_runs
from kvzero.reports.results.suites import summarise_suites

PONG, BREAKOUT = "ALE/Pong-v5", "ALE/Breakout-v5"


def runs(task, scores, **settings):
    return [result(score, seed, task=task, preset="atari", **settings) for seed, score in enumerate(scores)]


def test_tasks_of_one_setting_are_joined_by_their_normalised_scores():
    (suite,) = summarise_suites(group_runs([*runs(PONG, [-20.7, 14.6]), *runs(BREAKOUT, [1.7, 30.5])]))
    assert suite.tasks == (PONG, BREAKOUT)
    assert suite.normalised["mean"].value == pytest.approx(0.5)
    assert 0.0 <= suite.normalised["mean"].low < suite.normalised["mean"].high <= 1.0


def test_another_setting_and_a_task_without_reference_are_not_joined():
    others = [*runs(PONG, [1.0, 2.0]), *runs(BREAKOUT, [1.0, 2.0], batch_size=7), *runs("CartPole-v1", [1.0, 2.0])]
    assert summarise_suites(group_runs(others)) == []


def test_unlike_numbers_of_runs_are_named_and_not_aggregated():
    (suite,) = summarise_suites(group_runs([*runs(PONG, [1.0, 2.0]), *runs(BREAKOUT, [1.0])]))
    assert suite.normalised is None
    assert "2, 1 runs" in suite.objection


def test_tasks_of_one_run_each_have_aggregates_and_no_interval():
    (suite,) = summarise_suites(group_runs([*runs(PONG, [14.6]), *runs(BREAKOUT, [1.7])]))
    assert suite.normalised["mean"].value == pytest.approx(0.5)
    assert suite.normalised["mean"].low is None
    assert "one run" in suite.objection
