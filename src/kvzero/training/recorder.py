"""The steps of an evaluation that are kept to be looked at afterwards."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int, Shaped

from kvzero.envs import Steps

__all__ = ["PlayedEpisode", "Recorder"]


@dataclass(slots=True)
class PlayedEpisode:
    """Steps of one episode from its beginning on; there is one observation more than there are steps."""

    observations: list[Shaped[np.ndarray, "..."]] = field(default_factory=list)
    """What was acted on, and what the last step led to."""

    actions: list[Shaped[np.ndarray, "*action"]] = field(default_factory=list)
    """What was done."""

    rewards: list[float] = field(default_factory=list)
    """What followed, clipped where learning has it clipped."""

    values: list[float] = field(default_factory=list)
    """What the network expected, in context, of each observation that was acted on."""

    is_terminated: bool = False
    """Whether the last step ended the episode by itself."""


class Recorder:
    """Keeps the first steps that each environment plays, at most `max_steps` and only its first game."""

    def __init__(self, num_envs: int, *, max_steps: int) -> None:
        self._episodes: list[list[PlayedEpisode]] = [[PlayedEpisode()] for _ in range(num_envs)]
        self._left = np.full(num_envs, max_steps)

    @property
    def episodes(self) -> list[PlayedEpisode]:
        """All episodes with a step in them, environment by environment."""
        return [episode for of_env in self._episodes for episode in of_env if episode.rewards]

    def add(
        self,
        playing: Int[np.ndarray, " playing"],
        observations: Shaped[np.ndarray, "env ..."],
        actions: Shaped[np.ndarray, "env *action"],
        values: Float[np.ndarray, " playing"],
        steps: Steps,
    ) -> None:
        """Take in one step of the environments that play."""
        for env, value in zip(playing.tolist(), values.tolist(), strict=True):
            if self._left[env] == 0:
                continue
            episode = self._episodes[env][-1]
            episode.observations[len(episode.rewards) :] = [
                observations[env].copy(),
                steps.final_observations[env].copy(),
            ]
            episode.actions.append(actions[env, ...].copy())
            episode.rewards.append(float(steps.rewards[env]))
            episode.values.append(value)
            episode.is_terminated = bool(steps.terminated[env])
            self._left[env] = 0 if steps.game_over[env] else self._left[env] - 1
            if steps.terminated[env] or steps.truncated[env]:
                self._episodes[env].append(PlayedEpisode())
