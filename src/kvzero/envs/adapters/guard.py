"""One environment made safe: what it returns is checked and converted, and every failure names its place."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete
from jaxtyping import Bool

from kvzero.checks import read_mask
from kvzero.envs.environments import Frame, Observation
from kvzero.envs.extras import missing_dependency
from kvzero.envs.observations import read_observation_space
from kvzero.envs.spaces import join_spec, own_spaces, read_action_space
from kvzero.errors import EnvError
from kvzero.records import EnvSpec

__all__ = ["Guard"]

logger = logging.getLogger(__name__)

Info = dict[str, Any]


class Guard(gymnasium.Wrapper[Observation, Any, Any, Any]):
    """A Gymnasium environment whose actions count from 0, or go from -1 to 1, and whose observations are checked.

    Observations are delivered in the shape and type that `delivered` says. Of the environment's `info` only the action
    mask is passed on, under "action_mask", and it is always there. Where `info` has none, the environment's method
    `action_masks` is asked, if it or a wrapper has one, as sb3-contrib does; else all actions are legal.

    Raises:
        ConfigError: the environment's spaces are not supported.
        EnvError: on `reset`, `step` or `render`, when the environment raises or returns what cannot be learnt from.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, name: str, index: int) -> None:
        super().__init__(env)
        self._place = f"environment {index} ({name})"
        observations, actions = own_spaces(env, name)
        self._actions = read_action_space(actions, name)
        self._format = read_observation_space(observations, name)
        self._num_actions = self._actions.num_actions
        self.delivered = join_spec(self._format, self._actions)
        self.action_space = self._actions.delivered
        self.observation_space = _delivered_space(self.delivered)
        self._ask_for_mask = _find_mask_method(env)
        self._num_steps = 0
        self._num_episode_steps = 0

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Begin an episode, seeding the environment when a seed is given."""
        with self._naming(f"when reset after step {self._num_steps}"):
            observation, info = self.env.reset(seed=seed, options=options)
            self._num_episode_steps = 0
            return self._format.convert(observation), {"action_mask": self._mask(info)}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        """Take the action numbered from 0, or given by numbers from -1 to 1."""
        self._num_steps += 1
        self._num_episode_steps += 1
        with self._naming(f"at step {self._num_steps} (step {self._num_episode_steps} of its episode)"):
            observation, reward, terminated, truncated, info = self.env.step(self._actions.convert(action))
            is_over = bool(terminated) or bool(truncated)
            mask = self._all_legal() if is_over else self._mask(info)
            converted = self._format.convert(observation)
            return converted, _finite_reward(reward), bool(terminated), bool(truncated), {"action_mask": mask}

    def render(self) -> Frame:
        """Return the environment's picture as RGB bytes."""
        with self._naming(f"when rendered after step {self._num_steps}"):
            frame = np.asarray(self.env.render())
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
                raise EnvError(f"rendered {frame.dtype} {frame.shape}; return uint8 (height, width, 3)")
            return frame

    def close(self) -> None:
        """Close the environment; one that raises is told of, and done with all the same."""
        try:
            self.env.close()
        except Exception as error:  # whatever the user's own code may raise
            logger.warning("%s raised %s when it was closed: %s", self._place, type(error).__name__, error)

    def _all_legal(self) -> Bool[np.ndarray, " action"]:
        return np.ones(self._num_actions, dtype=np.bool_)

    def _mask(self, info: object) -> Bool[np.ndarray, " action"]:
        if not isinstance(info, Mapping):
            raise EnvError(f"returned an info of type {type(info).__name__}; return a dict")
        if "action_mask" in info:
            given = info["action_mask"]
        elif self._ask_for_mask is not None:
            given = self._ask_for_mask()
        else:
            return self._all_legal()
        mask = read_mask("returned an action_mask that", given, EnvError)
        if mask.shape != (self._num_actions,):
            raise EnvError(
                f"returned an action_mask of shape {mask.shape}; give one flag per action, {self._num_actions}"
            )
        if not mask.any():
            raise EnvError("returned an action_mask that allows no action; allow one, or end the episode")
        return mask

    @contextmanager
    def _naming(self, moment: str) -> Iterator[None]:
        try:
            yield
        except DependencyNotInstalled as error:
            raise missing_dependency(self._place, error) from error
        except EnvError as error:
            raise EnvError(f"{self._place}, {moment}, {error}") from error
        except Exception as error:  # whatever the user's own code may raise
            raise EnvError(
                f"{self._place}, {moment}, raised {type(error).__name__}: {error}; mend the environment and resume"
            ) from error


def _find_mask_method(env: gymnasium.Env[Any, Any]) -> Callable[[], object] | None:
    """Return the method by which an environment with numbered actions, or one of its wrappers, says which are legal."""
    if not (isinstance(env.action_space, Discrete) and env.has_wrapper_attr("action_masks")):
        return None
    method = env.get_wrapper_attr("action_masks")
    return method if callable(method) else None


def _delivered_space(delivered: EnvSpec) -> Box:
    dtype: Any = delivered.observation_dtype
    low, high = {np.float32: (-np.inf, np.inf), np.bool_: (0, 1), np.uint8: (0, 255)}[dtype]
    return Box(low, high, delivered.observation_shape, dtype)


def _finite_reward(reward: Any) -> float:
    array = np.asarray(reward)
    if array.dtype.kind not in "fiub":
        raise EnvError(f"returned a reward of {reward!r}; return one number")
    if array.size != 1:
        raise EnvError(f"returned a reward of shape {array.shape}; return one number")
    value = float(array.item())
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(np.float32(value))
    if not is_finite:
        raise EnvError(f"returned a reward of {value}; it must be finite in float32")
    return value
