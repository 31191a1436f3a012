"""What is known by name is called by it; the rest is numbered."""

import gymnasium
import pytest

from kvzero.envs import EnvConfig, make_environments
from kvzero.inspector.names import _ACTIONS, _FEATURES, name_actions, name_features
from kvzero.records import EnvSpec


@pytest.mark.parametrize("env_id", sorted(_FEATURES | _ACTIONS))
def test_there_are_as_many_names_as_numbers(env_id: str) -> None:
    if "Lunar" in env_id:
        pytest.importorskip("Box2D")
    env = gymnasium.make(env_id)
    assert env.observation_space.shape == (len(_FEATURES[env_id]),)
    assert (env_id in _ACTIONS) == hasattr(env.action_space, "n")
    assert env_id not in _ACTIONS or len(_ACTIONS[env_id]) == env.action_space.n
    env.close()


def test_a_game_of_atari_says_how_its_actions_are_called() -> None:
    pytest.importorskip("ale_py")
    config = EnvConfig(env_id="ALE/Pong-v5")
    envs = make_environments(config, num_envs=1, training=False)
    assert name_actions(config, envs.spec) == ["noop", "fire", "right", "left", "rightfire", "leftfire"]
    assert name_features(config, envs.spec) == []
    envs.close()


def test_what_is_not_known_is_numbered() -> None:
    config = EnvConfig(env_id="mine:World")
    assert name_features(config, EnvSpec(observation_shape=(2,), action_dim=3)) == ["observation 0", "observation 1"]
    assert name_actions(config, EnvSpec(observation_shape=(2,), action_dim=3)) == []
    assert name_actions(EnvConfig(), EnvSpec(observation_shape=(4,), num_actions=5)) == ["0", "1", "2", "3", "4"]
