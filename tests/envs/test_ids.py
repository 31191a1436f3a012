"""What goes by several names is played in one way, or refused with the right name."""

import ale_py
import gymnasium
import pytest
from gymnasium.envs.registration import WrapperSpec

from kvzero.envs import EnvConfig, make_environments
from kvzero.envs.ids import canonical_id
from kvzero.errors import ConfigError


def make(env_id, **settings):
    return make_environments(EnvConfig(env_id=env_id, **settings), num_envs=1, training=True)


@pytest.mark.parametrize(
    ("env_id", "ours"),
    [
        ("PongNoFrameskip-v4", "ALE/Pong-v5"),
        ("ale_py:ALE/Pong-v5", "ALE/Pong-v5"),
        ("ale_py:SpaceInvadersNoFrameskip-v4", "ALE/SpaceInvaders-v5"),
        ("ALE/Pong-v5", "ALE/Pong-v5"),
        ("PongNoFrameskip-v0", "PongNoFrameskip-v0"),
        ("Pong-v4", "Pong-v4"),
        ("CartPole-v1", "CartPole-v1"),
        ("minigrid:MiniGrid-Empty-5x5-v0", "MiniGrid-Empty-5x5-v0"),
        ("minigrid:BabyAI-GoToObj-v0", "minigrid:BabyAI-GoToObj-v0"),
        ("my_package.pong:PongNoFrameskip-v4", "my_package.pong:PongNoFrameskip-v4"),
    ],
)
def test_names_that_mean_the_same_environment_are_one_id(env_id, ours):
    assert canonical_id(env_id) == EnvConfig(env_id=env_id).env_id == ours


@pytest.mark.parametrize("env_id", ["PongNoFrameskip-v4", "ale_py:ALE/Pong-v5"])
def test_a_game_by_another_name_is_shown_small_and_takes_settings_of_atari(env_id):
    envs = make(env_id, image_size=32, frame_skip=3)
    assert envs.reset(seed=0).observations.shape == (1, 3, 32, 32)
    envs.close()


@pytest.mark.parametrize(
    ("env_id", "ours"),
    [
        ("Pong-v4", "ALE/Pong-v5"),
        ("Pong-v0", "ALE/Pong-v5 --sticky-action-probability 0.25"),
        ("ale_py:PongNoFrameskip-v0", "ALE/Pong-v5 --sticky-action-probability 0.25"),
        ("SpaceInvaders-v4", "ALE/SpaceInvaders-v5"),
        ("ale_py.env:SpaceInvaders-v4", "ALE/SpaceInvaders-v5"),
        ("ale_py.env:ALE/Pong-v5", "ALE/Pong-v5"),
        ("ale_py.env:AtariEnv", "ALE/Pong-v5"),
    ],
)
def test_a_name_that_would_show_raw_frames_is_refused_with_the_right_one(env_id, ours):
    with pytest.raises(ConfigError, match=rf"raw frames.* --env-id {ours}$"):
        make(env_id)


def test_a_game_registered_with_wrappers_of_its_own_is_left_alone():
    gymnasium.register_envs(ale_py)
    grey = WrapperSpec("Grey", "gymnasium.wrappers:GrayscaleObservation", {"keep_dim": False})
    try:
        gymnasium.register(
            "kvzero_tests/Grey-v0", "ale_py.env:AtariEnv", kwargs={"game": "pong"}, additional_wrappers=(grey,)
        )
        assert make("kvzero_tests/Grey-v0").spec.observation_shape == (1, 210, 160)
    finally:
        gymnasium.registry.pop("kvzero_tests/Grey-v0")
