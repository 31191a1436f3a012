"""MiniGrid shown as planes of yes and no, where its own images hold numbers that stand for kinds of things."""

import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Bool

from kvzero.errors import ConfigError

__all__ = ["MinigridPlanes"]

NUM_DIRECTIONS = 4


class MinigridPlanes(gymnasium.ObservationWrapper[Any, Any, Any]):
    """A MiniGrid environment whose observation is one image of flags, `[plane, width, height]`.

    Of what MiniGrid shows, the number of each cell's kind of object, of its colour and of its state becomes one plane
    for each number that there is, and the agent's direction one plane for each of the four, true or false everywhere:
    11 + 6 + 3 + 4 = 24 planes. The mission, a sentence, is left out: it says nothing where it is always the same.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Wrap an environment that Gymnasium made.

        Raises:
            ConfigError: if its mission is not always the same.
        """
        super().__init__(env)
        space: Any = env.observation_space
        if any(len(choices) > 1 for choices in space["mission"].ordered_placeholders or ()):
            raise ConfigError(
                f"{env.spec.id if env.spec else env} has missions that differ, such as {space['mission'].sample()!r}, "
                "and kvzero reads no text; choose one whose mission is always the same, or wrap it to show the mission "
                'as numbers, and name that as "package.module:Class"'
            )
        numbers = importlib.import_module("minigrid.core.constants")
        self._counts = len(numbers.OBJECT_TO_IDX), len(numbers.COLOR_TO_IDX), len(numbers.STATE_TO_IDX)
        self._size = space["image"].shape[:2]
        self.observation_space = Box(0, 1, (sum(self._counts) + NUM_DIRECTIONS, *self._size), np.bool_)

    def observation(self, observation: Any) -> Bool[np.ndarray, "plane width height"]:
        """Return the planes of what MiniGrid shows."""
        parts = np.moveaxis(observation["image"], -1, 0)
        cells = [part == _column(count) for part, count in zip(parts, self._counts, strict=True)]
        directions = _column(NUM_DIRECTIONS) == observation["direction"]
        return np.concatenate([*cells, np.broadcast_to(directions, (NUM_DIRECTIONS, *self._size))])


def _column(count: int) -> np.ndarray:
    return np.arange(count)[:, None, None]
