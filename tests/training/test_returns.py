"""Returns beyond the support are told of once, with the largest and the support that would hold it."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.samples import tiny_config

import kvzero
from kvzero.errors import KvzeroWarning
from kvzero.model import Support
from kvzero.replay import StepBatch
from kvzero.training import returns
from kvzero.training.returns import ReturnWatch

SUPPORT = Support(11)  # which ends at 5 in transformed units


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.batches = []

    def add(self, batch):
        self.batches.append(batch)


def step_of(rewards, ends):
    """Return one step of two environments, of which the second is cut off where its episode ends."""
    return StepBatch(
        fields={"rewards": rewards},
        terminated=ends & [True, False],
        truncated=ends & [False, True],
        final_observations=np.zeros((2, 1)),
    )


def watch_of(discount):
    return ReturnWatch(Kept(), SUPPORT, num_envs=2, discount=lambda: discount)


def show(watch, rewards, ends):
    """Show the rewards of two environments, `[time, env]`, and where episodes end; return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for of_step, over in zip(rewards, ends, strict=True):
            watch.add(step_of(np.float32(of_step), np.array(over)))
    return [str(warning.message) for warning in caught]


def test_the_largest_return_of_any_step_is_named_with_the_support_that_holds_it_and_only_once():
    watch = watch_of(0.5)
    rewards = [[-100, 1], [8, 1], [40, 1], [0, 1]]
    ends = [[False, False], [False, True], [False, False], [True, False]]
    (said,) = show(watch, rewards, ends)  # the returns of environment 0 are -86, 28, 40, 0
    assert "a return of size 100, but values and rewards beyond 35 are clipped" in said
    assert "of 11 bins ends; --support-size 21 would hold it" in said
    assert show(watch, [[1000, 1000]], [[True, True]]) == []


def test_a_return_that_only_all_rewards_together_reach_is_found():
    watch = watch_of(1.0)
    assert show(watch, [[20, 20]] * 3, [[False, True], [True, False], [False, False]]) != []


def test_episodes_are_kept_apart():
    watch = watch_of(1.0)
    assert show(watch, [[20, -20]] * 9, [[True, True]] * 9) == []


def test_an_episode_without_an_end_is_looked_at_now_and_then(monkeypatch):
    monkeypatch.setattr(returns, "LONGEST", 3)
    watch = watch_of(1.0)
    assert show(watch, [[20, 0]] * 2, [[False, False]] * 2) == []
    assert show(watch, [[20, 0]], [[False, False]]) != []


def test_every_step_is_handed_on_before_and_after_the_warning():
    watch, rewards = watch_of(1.0), [[1, 2], [50, 3], [4, 5]]
    show(watch, rewards, [[True, True]] * 3)
    assert [batch.fields["rewards"].tolist() for batch in watch._sink.batches] == rewards


@given(st.floats(0, 1e6), st.sampled_from([-1, 1]))
def test_the_support_that_is_named_is_the_smallest_that_holds_a_return(size, sign):
    found = Support(max(Support.size_for(sign * size), 3))
    assert found.largest >= size * (1 - 1e-5)
    decoded = found.decode(found.encode(torch.tensor([sign * size])).clamp(min=1e-30).log())
    assert decoded.item() == pytest.approx(sign * size, rel=1e-3, abs=1e-3)
    if len(found.bins) > 3:
        assert Support(len(found.bins) - 2).largest <= size * (1 + 1e-5)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_warns_once_of_what_it_clips(tmp_path):
    with pytest.warns(KvzeroWarning, match="--support-size") as caught:
        kvzero.train(tiny_config(tmp_path, environment="Rich"))
    assert len(caught) == 1
