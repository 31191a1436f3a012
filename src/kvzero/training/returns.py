"""What the support of a network cannot hold: rewards and returns beyond its last bin are clipped, and said so once."""

import warnings

import numpy as np
from jaxtyping import Bool, Float

from kvzero.errors import KvzeroWarning
from kvzero.model import Support

__all__ = ["ReturnWatch"]

LONGEST = 10_000
"""Steps after which an episode that goes on is looked at as if it ended."""


class ReturnWatch:
    """Looks at every episode that ends for rewards and discounted returns that the support would clip."""

    def __init__(self, support: Support, *, num_envs: int, discount: float) -> None:
        self._support = support
        self._discount = discount
        self._rewards: list[list[float]] = [[] for _ in range(num_envs)]
        self._is_told = False

    def show(self, rewards: Float[np.ndarray, " env"], ends: Bool[np.ndarray, " env"]) -> None:
        """Take in the rewards to learn from of one step, and where an episode ended with it; warn at the first excess.

        Warns:
            KvzeroWarning: with the largest reward or return of the episodes that ended, and the support that holds it.
        """
        if self._is_told:
            return
        for env, reward in enumerate(rewards.tolist()):
            self._rewards[env].append(reward)
        over = [env for env, found in enumerate(self._rewards) if ends[env] or len(found) >= LONGEST]
        largest = max((self._largest(self._rewards[env]) for env in over), default=0.0)
        for env in over:
            self._rewards[env] = []
        if largest > self._support.largest:
            self._is_told = True
            warnings.warn(self._say(largest), KvzeroWarning, stacklevel=2)

    def _largest(self, rewards: list[float]) -> float:
        """Return the largest size of a reward, or of the discounted return from any step on."""
        largest = following = 0.0
        for reward in reversed(rewards):
            following = reward + self._discount * following
            largest = max(largest, abs(reward), abs(following))
        return largest

    def _say(self, largest: float) -> str:
        return (
            f"an episode had a return of size {largest:,.0f}, but values and rewards beyond "
            f"{self._support.largest:,.0f} are clipped, where the support of {len(self._support.bins)} bins ends; "
            f"--support-size {self._support.size_for(largest)} would hold it, or make rewards smaller"
        )
