"""Any Gymnasium environment, several at once, one after another in this process."""

from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jaxtyping import Shaped

from kvzero.envs.adapters.guard import Guard
from kvzero.envs.environments import Frame, Observations, Start, Steps, check_actions, check_alike, check_seed, read_fps
from kvzero.envs.lookup import Maker, build_environment
from kvzero.errors import ConfigError

__all__ = ["GymEnvironments"]


class GymEnvironments:
    """Environments stepped one after another; an episode that ends begins anew within the same step."""

    def __init__(
        self, make: Maker, *, name: str, num_envs: int, render: bool, reward_scale: float, first_index: int = 0
    ) -> None:
        self._can_render = render
        self._reward_scale = reward_scale
        made = [build_environment(make, name=name, render=render and index == 0) for index in range(num_envs)]
        self._guards = [Guard(env, name=name, index=first_index + index) for index, env in enumerate(made)]
        self.num_envs = num_envs
        indices = range(first_index, first_index + num_envs)
        self.spec = check_alike([guard.delivered for guard in self._guards], indices)
        # Same-step autoreset gives both the final observation and the next episode's first, and wastes no action.
        self._vector: SyncVectorEnv[Any, Any] = SyncVectorEnv(
            [partial(_given, guard) for guard in self._guards], autoreset_mode=AutoresetMode.SAME_STEP
        )
        self.frames_per_second = read_fps(made[0].metadata)

    def reset(self, seed: int | None = None) -> Start:
        """Begin a new episode everywhere."""
        check_seed(seed)
        observations, info = self._vector.reset(seed=seed)
        return Start(observations, info["action_mask"])

    def step(self, actions: Shaped[np.ndarray, "env *dim"]) -> Steps:
        """Take one action in each environment."""
        check_actions(actions, self.num_envs, self.spec)
        observations, rewards, terminated, truncated, info = self._vector.step(actions)
        return Steps(
            observations=observations,
            action_masks=info["action_mask"],
            rewards=(rewards * self._reward_scale).astype(np.float32),
            raw_rewards=rewards,
            terminated=terminated,
            truncated=truncated & ~terminated,
            final_observations=_final_observations(observations, info),
            game_over=terminated | truncated,
        )

    def render(self) -> Frame:
        """Return the picture of environment 0."""
        if not self._can_render:
            raise ConfigError("these environments were made without render=True; make them with it to see frames")
        return self._guards[0].render()

    def close(self) -> None:
        """Close every environment."""
        self._vector.close()


def _given(guard: Guard) -> Guard:
    return guard


def _final_observations(observations: Observations, info: dict[str, Any]) -> Observations:
    if "final_obs" not in info:
        return observations
    finals = observations.copy()
    for index in np.flatnonzero(info["_final_obs"]):
        finals[index] = info["final_obs"][index]
    return finals
