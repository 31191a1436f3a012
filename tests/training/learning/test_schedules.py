"""What changes while a run learns is a function of the updates made, and by default is what does not change."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.samples import LEARNER, some_segments, tiny_learner

from kvzero import LearnerConfig
from kvzero.training.learning.schedules import Schedules
from kvzero.training.learning.targets import make_targets, to_device

ANNEALED = LearnerConfig(bootstrap_steps=10, final_bootstrap_steps=3, first_discount=0.97, annealing_updates=40)


def schedules(config: LearnerConfig = ANNEALED, *, total_updates: int = 200) -> Schedules:
    return Schedules(config, discount=0.997, total_updates=total_updates)


@given(num_updates=st.integers(0, 500), total_updates=st.integers(0, 300))
def test_by_default_n_and_discount_stay_and_the_rate_falls_linearly(num_updates, total_updates):
    found = schedules(LearnerConfig(bootstrap_steps=7, learning_rate=0.02), total_updates=total_updates)
    assert (found.bootstrap_steps(num_updates), found.discount(num_updates)) == (7, 0.997)
    share = 1.0 - min(num_updates / max(total_updates, 1), 1.0) * (1.0 - 0.1)
    assert found.learning_rate(num_updates) == 0.02 * share


def test_the_rate_rises_evenly_to_where_it_would_be_anyway():
    config = LearnerConfig(learning_rate=0.02, warmup_updates=4, final_learning_rate_share=1.0)
    rates = [schedules(config).learning_rate(num_updates) for num_updates in range(6)]
    assert rates == pytest.approx([0.005, 0.01, 0.015, 0.02, 0.02, 0.02])
    falling = replace(config, final_learning_rate_share=0.5)
    assert schedules(falling).learning_rate(2) == pytest.approx(0.75 * 0.02 * (1 - 0.5 * 2 / 200))


def test_n_falls_from_its_first_value_to_its_last_by_equal_factors():
    found = [schedules().bootstrap_steps(num_updates) for num_updates in range(0, 61, 10)]
    assert found == [10, round(10 * 0.3**0.25), round(10 * 0.3**0.5), round(10 * 0.3**0.75), 3, 3, 3]
    assert sorted(found, reverse=True) == found


def test_the_horizon_grows_by_equal_factors_and_ends_at_the_discount_itself():
    horizons = [1 / (1 - schedules().discount(num_updates)) for num_updates in (0, 10, 20, 30, 40)]
    factors = [later / sooner for sooner, later in pairwise(horizons)]
    assert factors == pytest.approx([10**0.25] * 4)
    assert horizons[0] == pytest.approx(1 / 0.03)
    assert schedules().discount(40) == schedules().discount(10**6) == 0.997


@pytest.mark.parametrize(("total_updates", "halfway"), [(200, 100), (3, 1.5), (0, 1)])
def test_half_of_the_run_is_for_annealing_where_nothing_else_is_said(total_updates, halfway):
    found = schedules(replace(ANNEALED, annealing_updates=None), total_updates=total_updates)
    early = int(halfway - 0.01)
    assert found.discount(early) < 0.997 == found.discount(early + 1 if halfway % 1 == 0 else early + 2)


def test_they_can_stay_for_a_share_of_the_run_first():
    late, soon = schedules(replace(ANNEALED, annealing_begins=0.25)), schedules()  # after 50 of 200 updates
    for num_updates in (0, 20, 50):
        assert (late.bootstrap_steps(num_updates), late.discount(num_updates)) == (10, soon.discount(0))
    for num_updates in (55, 60, 85, 90, 120):
        assert late.bootstrap_steps(num_updates) == soon.bootstrap_steps(num_updates - 50)
        assert late.discount(num_updates) == soon.discount(num_updates - 50)


def test_a_learner_trains_with_what_is_due_at_each_update():
    config = replace(
        LEARNER, final_bootstrap_steps=1, first_discount=0.5, annealing_updates=2, warmup_updates=2, learning_rate=0.02
    )
    learner, segments = tiny_learner(config), some_segments(tiny_learner(config))
    assert segments.fields["rewards"].shape[1] == config.unroll_steps + config.bootstrap_steps
    for bootstrap_steps, discount in ((2, 0.5), (1, 1 - (0.5 * 0.1) ** 0.5), (1, 0.9)):
        assert (learner.bootstrap_steps, learner.discount) == (bootstrap_steps, pytest.approx(discount))
        found = learner.make_targets(learner.bring(segments))
        wanted = make_targets(
            to_device(segments, torch.device("cpu")),
            learner.target_network,
            num_steps=config.unroll_steps,
            bootstrap_steps=bootstrap_steps,
            discount=learner.discount,
        )
        torch.testing.assert_close(found.values, wanted.values, rtol=1e-5, atol=1e-5)
        due = learner.learning_rate
        learner.update(segments)
        assert {group["lr"] for group in learner.optimizer.param_groups} == {due}


def test_rows_behind_the_last_bootstrap_value_are_not_looked_at():
    learner = tiny_learner(replace(LEARNER, bootstrap_steps=5))
    segments = some_segments(learner, batch_size=9)
    cut = replace(segments, fields={name: rows[:, :5].copy() for name, rows in segments.fields.items()})
    cut = replace(cut, ends=segments.ends.clip(max=4), terminated=segments.terminated & (segments.ends <= 4))
    found, wanted = (
        make_targets(
            to_device(each, torch.device("cpu")),
            learner.target_network,
            num_steps=3,
            bootstrap_steps=2,
            discount=0.9,
        )
        for each in (segments, cut)
    )
    torch.testing.assert_close(found.values, wanted.values)
    torch.testing.assert_close(found.latents, wanted.latents)
