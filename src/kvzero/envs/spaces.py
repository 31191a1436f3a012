"""Which action spaces kvzero accepts, how actions are given, and what spaces of both kinds are to an agent."""

from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import iterate
from jaxtyping import Shaped

from kvzero.envs.observations import ObservationFormat, read_observation_space
from kvzero.errors import ConfigError, EnvError
from kvzero.records import EnvSpec

__all__ = [
    "EnvFormats",
    "NumberedFormat",
    "VectorFormat",
    "join_spec",
    "own_spaces",
    "read_action_space",
    "read_formats",
]


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


@dataclass(frozen=True, slots=True)
class EnvFormats:
    """How an environment, or each of several, shows what there is to see and is told what to do."""

    name: str
    """What it is called where something does not fit."""

    observations: ObservationFormat
    """How to read an observation."""

    actions: NumberedFormat | VectorFormat
    """How to give an action."""

    together: Space[Any] | None
    """Space of the observations of a vector environment; of a single one there is none."""

    @property
    def spec(self) -> EnvSpec:
        """What the environment shows and accepts, as an agent sees it."""
        return join_spec(self.observations, self.actions)

    def read(self, observations: Any, num_envs: int) -> Shaped[np.ndarray, "env ..."]:
        """Return the observations of so many environments, of one alone or all together, as an agent takes them.

        Raises:
            EnvError: if they are another number, or one is not what the environment's space says.
        """
        wanted = "give what it shows" if num_envs == 1 else f"give {num_envs}, one for each environment"
        try:
            if self.together is not None:
                each = list(iterate(self.together, observations))
            else:
                each = [observations] if num_envs == 1 else list(observations)
        except (TypeError, ValueError, LookupError) as error:
            raise EnvError(f"what is given as observations of {self.name} is none ({error}); {wanted}") from error
        if len(each) != num_envs:
            raise EnvError(f"there are {len(each)} observations of {self.name}; {wanted}")
        rows = []
        for index, observation in enumerate(each):
            try:
                rows.append(self.observations.convert(observation))
            except EnvError as error:
                raise EnvError(f"environment {index} ({self.name}) {error}") from error
        return np.stack(rows)

    def give(self, actions: Shaped[np.ndarray, "env ..."]) -> Shaped[np.ndarray, "env ..."]:
        """Return the environments' own actions."""
        return np.stack([self.actions.convert(action) for action in actions])


def read_formats(env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> EnvFormats:
    """Return how an environment, or each of several, is read and told.

    Raises:
        ConfigError: if `env` is no environment, has no spaces, or others than kvzero plays.
    """
    if not isinstance(env, gymnasium.Env | VectorEnv):
        raise ConfigError(f"env is {env!r}; give an environment itself, such as gymnasium.make('CartPole-v1')")
    name = type(env).__name__ if env.spec is None else env.spec.id
    if isinstance(env, VectorEnv):
        observations, actions, together = env.single_observation_space, env.single_action_space, env.observation_space
    else:
        observations, actions, together = *own_spaces(env, name), None
    return EnvFormats(name, read_observation_space(observations, name), read_action_space(actions, name), together)


def own_spaces(env: gymnasium.Env[Any, Any], name: str) -> tuple[Space[Any], Space[Any]]:
    """Return the spaces of observations and actions; raise `ConfigError` if an environment, called `name`, has none."""
    found = {space: getattr(env, space, None) for space in ("observation_space", "action_space")}
    for space, value in found.items():
        if not isinstance(value, Space):
            raise ConfigError(f"{name} has the {space} {value!r}; set self.{space} to one of gymnasium.spaces")
    return env.observation_space, env.action_space


def join_spec(observations: ObservationFormat, actions: NumberedFormat | VectorFormat) -> EnvSpec:
    """Return what observations and actions in these formats are to an agent."""
    return replace(
        observations.spec,
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
