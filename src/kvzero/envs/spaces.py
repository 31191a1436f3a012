"""Which Gymnasium spaces kvzero accepts, and how an observation is turned into what the model reads."""

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import VectorEnv

from kvzero.envs.environments import Observation
from kvzero.errors import ConfigError, EnvError
from kvzero.records import EnvSpec

__all__ = [
    "NumberedFormat",
    "ObservationFormat",
    "VectorFormat",
    "join_spec",
    "read_action_space",
    "read_observation_space",
    "read_spec",
]

Layout = Literal["vector", "grey", "channel_first", "channel_last"]


@dataclass(frozen=True, slots=True)
class ObservationFormat:
    """How one environment's observations arrive, and how they are delivered."""

    raw_shape: tuple[int, ...]
    """Shape as the environment gives it."""

    layout: Layout
    """What the axes of `raw_shape` mean."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as delivered: `(feature,)`, or `(channel, height, width)`."""
        if self.layout == "grey":
            return (1, *self.raw_shape)
        if self.layout == "channel_last":
            height, width, channels = self.raw_shape
            return (channels, height, width)
        return self.raw_shape

    def convert(self, observation: object) -> Observation:
        """Copy an observation into float32 `(feature,)` or uint8 `(channel, height, width)`.

        Raises:
            EnvError: the observation has another shape or type than its space, or a value that is not finite.
        """
        if observation is None:
            raise EnvError("returned None for an observation; return what the environment shows")
        array = np.asarray(observation)
        if array.shape != self.raw_shape:
            raise EnvError(
                f"returned an observation of shape {array.shape}; its observation_space says {self.raw_shape}"
            )
        return _finite_vector(array) if self.layout == "vector" else self._channel_first(array)

    def _channel_first(self, image: np.ndarray) -> Observation:
        if image.dtype != np.uint8:
            raise EnvError(f"returned an image of dtype {image.dtype}; return uint8 as its observation_space says")
        if self.layout == "channel_last":
            image = np.moveaxis(image, -1, 0)
        return np.array(image.reshape(self.shape), order="C")


class NumberedFormat:
    """Numbered actions, which the agent counts from 0."""

    def __init__(self, space: Discrete) -> None:
        self.num_actions = int(space.n)
        self.action_bounds: tuple[tuple[float, float], ...] = ()
        self.delivered: Space[Any] = Discrete(self.num_actions)
        self._first = int(space.start)

    def convert(self, action: Any) -> Any:
        """Return the environment's own number of an action."""
        return action + self._first


class VectorFormat:
    """Actions from a finite box, of which the agent sees a vector of numbers from -1 to 1."""

    def __init__(self, space: Box, name: str) -> None:
        low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ConfigError(
                f"{name} has the action space {space}, which is not bounded; wrap it in "
                "gymnasium.wrappers.RescaleAction, or give its Box finite bounds"
            )
        if not (low < high).all():
            raise ConfigError(
                f"{name} has the action space {space}, of which number {int(np.argmin(low < high))} has no width; "
                "leave out what cannot be chosen"
            )
        self.num_actions = 0
        self.action_bounds = tuple(zip(low.tolist(), high.tolist(), strict=True))
        self.delivered: Space[Any] = Box(-1, 1, low.shape, np.float32)
        self._space = space
        self._spec = EnvSpec(observation_shape=(1,), action_dim=len(low), action_bounds=self.action_bounds)

    def convert(self, action: Any) -> Any:
        """Return an action in the box's own units, shape and type, never beyond its bounds."""
        scaled = self._spec.to_bounds(action).reshape(self._space.shape).astype(self._space.dtype)
        return np.clip(scaled, self._space.low, self._space.high)


def read_spec(env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> EnvSpec:
    """Return what an environment, or each of several, shows and accepts; raise `ConfigError` for other spaces."""
    name = type(env).__name__ if env.spec is None else env.spec.id
    if isinstance(env, VectorEnv):
        observations, actions = env.single_observation_space, env.single_action_space
    else:
        observations, actions = env.observation_space, env.action_space
    return join_spec(read_observation_space(observations, name), read_action_space(actions, name))


def join_spec(observations: ObservationFormat, actions: NumberedFormat | VectorFormat) -> EnvSpec:
    """Return what observations and actions in these formats are to an agent."""
    return EnvSpec(
        observation_shape=observations.shape,
        num_actions=actions.num_actions,
        action_dim=len(actions.action_bounds),
        action_bounds=actions.action_bounds,
    )


def read_action_space(space: Space[Any], name: str) -> NumberedFormat | VectorFormat:
    """Return how to give actions to an environment, or raise `ConfigError` for an unsupported space."""
    if isinstance(space, Discrete):
        return NumberedFormat(space)
    if isinstance(space, Box) and space.dtype is not None and space.dtype.kind == "f" and space.low.size:
        return VectorFormat(space, name)
    raise ConfigError(
        f"{name} has the action space {space}, a {type(space).__name__}; kvzero plays Discrete actions and a Box of "
        "floats with finite bounds, so choose another environment or wrap it to offer one of these"
    )


def read_observation_space(space: Space[Any], name: str) -> ObservationFormat:
    """Return how to read a vector or an image of bytes, or raise `ConfigError` for any other space.

    Of a three-dimensional image's first and last axis the shorter one holds the channels; the last, if they are equal.
    """
    if not isinstance(space, Box):
        raise ConfigError(
            f"{name} has the observation space {space}, a {type(space).__name__}; kvzero reads Box observations, "
            "so wrap the environment, for instance with gymnasium.wrappers.FlattenObservation"
        )
    if len(space.shape) == 1 and space.shape[0] > 0:
        return ObservationFormat(space.shape, "vector")
    if len(space.shape) in (2, 3) and space.dtype == np.uint8 and min(space.shape) > 0:
        return ObservationFormat(space.shape, _image_layout(space.shape))
    raise ConfigError(
        f"{name} has observations of shape {space.shape} and dtype {space.dtype}; kvzero reads vectors (feature,) "
        "of any number type, and uint8 images (height, width), (height, width, channel) or (channel, height, width): "
        "wrap the environment to flatten or to convert its observations"
    )


def _image_layout(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return "grey"
    return "channel_first" if shape[0] < shape[-1] else "channel_last"


def _finite_vector(array: np.ndarray) -> Observation:
    if array.dtype.kind not in "fiub":
        raise EnvError(f"returned an observation of dtype {array.dtype}; return real numbers")
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, which is refused below
        features = array.astype(np.float32)
    if not np.isfinite(features).all():
        wrong = int(np.flatnonzero(~np.isfinite(features))[0])
        raise EnvError(f"returned an observation whose feature {wrong} is {array[wrong]}; it must be finite in float32")
    return features
