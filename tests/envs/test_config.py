"""What an EnvConfig refuses."""

import math

import pytest

from kvzero.envs import EnvConfig, make_environments
from kvzero.errors import ConfigError


@pytest.mark.parametrize("env_id", ["CartPole-v1", "ALE/Pong-v5", "package.module:Class"])
def test_defaults_are_valid_for_every_kind_of_id(env_id):
    assert EnvConfig(env_id=env_id).num_envs == 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("env_id", ""),
        ("num_envs", 0),
        ("frame_skip", 0),
        ("noop_max", -1),
        ("image_size", 0),
        ("frame_stack", 0),
        ("num_env_threads", -2),
        ("max_frames", 3),
        ("sticky_action_probability", 1.5),
        ("sticky_action_probability", -0.1),
        ("reward_scale", 0.0),
        ("reward_scale", math.inf),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        EnvConfig(**({"env_id": "ALE/Pong-v5"} | {field: value}))


def test_an_atari_setting_without_effect_is_refused():
    with pytest.raises(ConfigError, match=r"frame_skip, clip_rewards would have no effect on 'CartPole-v1'"):
        EnvConfig(frame_skip=2, clip_rewards=False)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"grayscale": True, "frame_stack": 4}, ["grayscale, frame_stack", "'CartPole-v1'", 'Atari ids ("ALE/...")']),
        ({"env_id": "dmc", "task": "walker-walk", "frame_stack": 3}, ["frame_stack", "'dmc'", "Atari ids"]),
        ({"env_id": "ALE/Pong-v5", "action_bins_per_dim": 3}, ["action_bins_per_dim", "'ALE/Pong-v5'", "other than"]),
        ({"env_id": "Pendulum-v1", "action_bins_per_dim": 1}, ["action_bins_per_dim is 1", "at least 2"]),
        ({"env_id": "Pendulum-v1", "action_bins_per_dim": -2}, ["action_bins_per_dim is -2"]),
    ],
)
def test_a_setting_that_does_not_fit_an_environment_is_refused_with_both(settings, parts):
    with pytest.raises(ConfigError) as refused:
        EnvConfig(**settings)
    assert [part for part in parts if part not in str(refused.value)] == []


def test_no_environments_at_all_are_refused():
    with pytest.raises(ConfigError, match="num_envs is 0"):
        make_environments(EnvConfig(), num_envs=0, training=True)
