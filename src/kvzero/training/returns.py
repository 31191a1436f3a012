"""What the support of a network cannot hold: rewards and returns beyond its last bin are clipped, and said so once."""

import warnings
from collections.abc import Callable

from kvzero.errors import KvzeroWarning
from kvzero.model import Support
from kvzero.replay import StepBatch, StepSink

__all__ = ["ReturnWatch"]

LONGEST = 10_000
"""Steps after which an episode that goes on is looked at as if it ended."""


class ReturnWatch:
    """A sink before another, which looks at every episode for rewards and returns that the support would clip."""

    def __init__(self, sink: StepSink, support: Support, *, num_envs: int, discount: Callable[[], float]) -> None:
        """Watch `num_envs` environments; `discount` is asked when an episode ends, as it may rise in a run."""
        self._sink = sink
        self._num_bins, self._limit = len(support.bins), support.largest
        self._discount = discount
        self._rewards: list[list[float]] = [[] for _ in range(num_envs)]
        self._is_told = False

    def add(self, batch: StepBatch) -> None:
        """Hand on one step of all environments; warn at the first episode that ends with an excess.

        Warns:
            KvzeroWarning: with the largest reward or discounted return of the episodes that ended, and the support that
                holds it.
        """
        self._sink.add(batch)
        if not self._is_told:
            self._look(batch)

    def forget(self) -> None:
        """Let go of the episodes that are running: they do not go on."""
        self._rewards = [[] for _ in self._rewards]

    def _look(self, batch: StepBatch) -> None:
        for rewards, reward in zip(self._rewards, batch.fields["rewards"].tolist(), strict=True):
            rewards.append(reward)
        ends = batch.terminated | batch.truncated
        over = [env for env, rewards in enumerate(self._rewards) if ends[env] or len(rewards) >= LONGEST]
        largest = max((self._largest(self._rewards[env]) for env in over), default=0.0)
        for env in over:
            self._rewards[env] = []
        if largest > self._limit:
            self._is_told = True
            warnings.warn(self._say(largest), KvzeroWarning, stacklevel=2)

    def _largest(self, rewards: list[float]) -> float:
        """Return the largest size of a reward, or of the discounted return from any step on."""
        largest = following = 0.0
        discount = self._discount()
        for reward in reversed(rewards):
            following = reward + discount * following
            largest = max(largest, abs(reward), abs(following))
        return largest

    def _say(self, largest: float) -> str:
        return (
            f"an episode had a return of size {largest:,.0f}, but values and rewards beyond "
            f"{self._limit:,.0f} are clipped, where the support of {self._num_bins} bins ends; "
            f"--support-size {Support.size_for(largest)} would hold it, or make rewards smaller"
        )
