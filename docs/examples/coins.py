"""A small world: an agent walks along a corridor, may not leave it, and wants the coin at its right end."""

from typing import Any

import gymnasium
import numpy as np


class Coins(gymnasium.Env[np.ndarray, np.int64]):
    """A corridor of `size` places; the coin is worth 1, each step costs 0.01."""

    def __init__(self, size: int = 8, render_mode: str | None = None) -> None:
        self.size, self.render_mode = size, render_mode
        self.observation_space = gymnasium.spaces.Box(0, 1, (size,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)  # left, right

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a game at a place drawn from the left half."""
        super().reset(seed=seed)  # which seeds self.np_random: what is drawn elsewhere does not repeat
        self.place = int(self.np_random.integers(self.size // 2))
        return self._look()

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move one place."""
        self.place += 1 if action else -1
        is_there = self.place == self.size - 1
        return self._look()[0], 1.0 if is_there else -0.01, is_there, False, self._look()[1]

    def _look(self) -> tuple[np.ndarray, dict[str, Any]]:
        observation = np.zeros(self.size, np.float32)
        observation[self.place] = 1
        return observation, {"action_mask": np.array([self.place > 0, True])}
