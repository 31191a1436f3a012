"""Continuous actions played as numbered ones."""

from itertools import product

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from kvzero.envs import EnvConfig, bins, make_environments
from kvzero.envs.bins import BinnedActions
from kvzero.errors import ConfigError

REACH = Box(np.array([-2, 0, 5], np.float32), np.array([2, 1, 9], np.float32))


def test_numbers_stand_for_all_combinations_of_evenly_spaced_values_in_order(scripted):
    env = BinnedActions(scripted(action_space=REACH), 5, "mine")
    assert env.action_space == Discrete(5**3)
    wanted = list(product(np.linspace(-2, 2, 5), np.linspace(0, 1, 5), np.linspace(5, 9, 5)))
    found = [env.action(number) for number in range(5**3)]
    np.testing.assert_allclose(found, wanted)
    assert {action.dtype for action in found} == {np.dtype(np.float32)}


def test_two_bins_are_the_bounds(scripted):
    env = BinnedActions(scripted(action_space=Box(-2, 2, (1,), np.float32)), 2, "mine")
    assert [env.action(np.int64(number)).tolist() for number in (0, 1)] == [[-2], [2]]


@pytest.mark.parametrize("num_env_workers", [0, 2])
def test_binned_pendulum_is_pendulum_with_those_torques(num_env_workers):
    config = EnvConfig(env_id="Pendulum-v1", action_bins_per_dim=11, num_env_workers=num_env_workers)
    binned = make_environments(config, num_envs=2, training=True)
    plain = make_environments(EnvConfig(env_id="Pendulum-v1"), num_envs=2, training=True)
    assert (binned.spec.num_actions, binned.spec.action_dim) == (11, 0)
    np.testing.assert_array_equal(binned.reset(seed=3).observations, plain.reset(seed=3).observations)
    assert binned.reset(seed=3).action_masks.shape == (2, 11)
    plain.reset(seed=3)
    for numbers in ([0, 10], [5, 3], [7, 7]):
        one = binned.step(np.array(numbers))
        other = plain.step((np.array(numbers, np.float32)[:, None] - 5) / 5)
        np.testing.assert_allclose(one.observations, other.observations, atol=1e-6)
        np.testing.assert_allclose(one.raw_rewards, other.raw_rewards, atol=1e-6)
    binned.close()


def test_binned_environments_are_drawn_as_they_are():
    config = EnvConfig(env_id="Pendulum-v1", action_bins_per_dim=3)
    envs = make_environments(config, num_envs=1, training=False, render=True)
    envs.reset(seed=0)
    assert envs.render().shape[-1] == 3
    envs.close()


def test_numbered_actions_are_not_binned_again():
    with pytest.raises(ConfigError, match=r"action_bins_per_dim is 3 but the actions of CartPole-v1 are numbered"):
        make_environments(EnvConfig(action_bins_per_dim=3), num_envs=1, training=True)


def test_a_box_without_bounds_is_refused(scripted):
    with pytest.raises(ConfigError, match="not bounded"):
        BinnedActions(scripted(action_space=Box(-np.inf, np.inf, (2,), np.float32)), 3, "mine")


def test_one_value_of_each_number_is_no_choice(scripted):
    with pytest.raises(ConfigError, match="bins_per_dim is 1; give at least 2"):
        BinnedActions(scripted(action_space=REACH), 1)


def test_more_combinations_than_a_search_can_hold_are_refused_with_their_number(scripted, monkeypatch):
    monkeypatch.setattr(bins, "MOST_BINNED_ACTIONS", 125)
    assert BinnedActions(scripted(action_space=REACH), 5, "mine").action_space.n == 125
    with pytest.raises(ConfigError, match=r"is 6, which makes 216 numbered actions of the 3 numbers .* mine, more"):
        BinnedActions(scripted(action_space=REACH), 6, "mine")
