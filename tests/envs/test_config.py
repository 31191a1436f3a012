"""What an EnvConfig refuses."""

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
        ("num_env_threads", -2),
        ("max_frames", 3),
        ("sticky_action_probability", 1.5),
        ("sticky_action_probability", -0.1),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        EnvConfig(**({"env_id": "ALE/Pong-v5"} | {field: value}))


def test_an_atari_setting_without_effect_is_refused():
    with pytest.raises(ConfigError, match=r"frame_skip, clip_rewards would have no effect on 'CartPole-v1'"):
        EnvConfig(frame_skip=2, clip_rewards=False)


def test_no_environments_at_all_are_refused():
    with pytest.raises(ConfigError, match="num_envs is 0"):
        make_environments(EnvConfig(), num_envs=0, training=True)
