"""What the numbers of well-known environments stand for; Gymnasium has no place where an environment would say it."""

import importlib
from typing import Any

import gymnasium

from kvzero.envs import EnvConfig
from kvzero.records import EnvSpec

__all__ = ["name_actions", "name_features"]

_FEATURES = {
    "CartPole-v1": ("cart position", "cart velocity", "pole angle", "pole angular velocity"),
    "Acrobot-v1": ("cos θ1", "sin θ1", "cos θ2", "sin θ2", "angular velocity 1", "angular velocity 2"),
    "Pendulum-v1": ("cos θ", "sin θ", "angular velocity"),
    "MountainCar-v0": ("position", "velocity"),
    "LunarLander-v3": ("x", "y", "x velocity", "y velocity", "angle", "angular velocity", "left leg", "right leg"),
}

_ACTIONS = {
    "CartPole-v1": ("left", "right"),
    "Acrobot-v1": ("torque -1", "torque 0", "torque +1"),
    "MountainCar-v0": ("left", "none", "right"),
    "LunarLander-v3": ("none", "left engine", "main engine", "right engine"),
}


def name_features(env: EnvConfig, spec: EnvSpec) -> list[str]:
    """Return a name for each number of an observation that is a vector."""
    if spec.is_image:
        return []
    known = _FEATURES.get(env.env_id, ())
    width = spec.observation_shape[0]
    return list(known) if len(known) == width else [f"observation {place}" for place in range(width)]


def name_actions(env: EnvConfig, spec: EnvSpec) -> list[str]:
    """Return a name for each action, where actions are numbered."""
    known = _atari_actions(env) if env.is_atari else _ACTIONS.get(env.env_id, ())
    return list(known) if len(known) == spec.num_actions else [str(action) for action in range(spec.num_actions)]


def _atari_actions(env: EnvConfig) -> tuple[str, ...]:
    """Return what a game calls its actions, which its single environment says and a vectorised one does not."""
    importlib.import_module("ale_py")  # Gymnasium knows its games then
    game: Any = gymnasium.make(env.env_id).unwrapped
    names = tuple(name.lower() for name in game.get_action_meanings())
    game.close()
    return names
