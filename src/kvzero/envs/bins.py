"""Continuous actions played as numbered ones: every combination of a few values of each number of an action."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete

from kvzero.envs.spaces import VectorFormat, read_action_space
from kvzero.errors import ConfigError

__all__ = ["MOST_BINNED_ACTIONS", "BinnedActions"]

MOST_BINNED_ACTIONS = 4_096
"""A node of the tree and the policy head have a place for every action, most of which no search ever tries."""


class BinnedActions(gymnasium.ActionWrapper[Any, Any, Any]):
    """An environment whose box of actions is replaced by `bins_per_dim` to the power of its size numbered actions.

    The values of each number are evenly spaced from bound to bound, both included. Of an action's number, written with
    `bins_per_dim` as the base, the first digit chooses the first number of the box.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], bins_per_dim: int, name: str = "the environment") -> None:
        """Wrap an environment, called `name` where it does not fit.

        Raises:
            ConfigError: if its actions are no finite box, or there would be less than 2 values of each number, or more
                than `MOST_BINNED_ACTIONS`.
        """
        super().__init__(env)
        if bins_per_dim < 2:
            raise ConfigError(f"bins_per_dim is {bins_per_dim}; give at least 2")
        box = read_action_space(env.action_space, name)
        if not isinstance(box, VectorFormat):
            raise ConfigError(
                f"action_bins_per_dim is {bins_per_dim} but the actions of {name} are numbered already, "
                f"{env.action_space}; leave it at 0"
            )
        self._box = box
        self._bins = (bins_per_dim,) * len(box.action_bounds)
        self._values = np.linspace(-1, 1, bins_per_dim)
        num_actions = bins_per_dim ** len(self._bins)
        if num_actions > MOST_BINNED_ACTIONS:
            raise ConfigError(
                f"action_bins_per_dim is {bins_per_dim}, which makes {num_actions:,} numbered actions of the "
                f"{len(self._bins)} numbers in an action of {name}, more than the {MOST_BINNED_ACTIONS:,} that a "
                "search can hold; give fewer bins, or 0 to play continuous actions"
            )
        self.action_space = Discrete(num_actions)

    def action(self, action: Any) -> Any:
        """Return the environment's own action of a number."""
        return self._box.convert(self._values[list(np.unravel_index(int(action), self._bins))])
