"""Exploration that goes somewhere: actions that are played again for a while (Dabney et al. 2021)."""

import numpy as np
from jaxtyping import Bool, Int, Shaped

__all__ = ["Persistence"]

EXPONENT = 2.0
"""Of the zeta distribution that the number of repeats is drawn from: most are short, and a few are long."""

MAX_REPEATS = 25
"""Most repeats of an action."""


class Persistence:
    """Makes some of the actions that are played last: each begins to with a probability, where none lasts already.

    Drawn anew at each step, actions of an agent that knows nothing yet cancel each other, and a pendulum that has to be
    swung up is never far from where it hung.
    """

    def __init__(self, probability: float, *, num_envs: int) -> None:
        self._probability = probability
        self._num_left: Int[np.ndarray, " env"] = np.zeros(num_envs, np.int64)
        self._lasting: Shaped[np.ndarray, "env ..."] | None = None

    def choose(
        self,
        chosen: Shaped[np.ndarray, "env ..."],
        masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator,
    ) -> Shaped[np.ndarray, "env ..."]:
        """Return what each environment is to play, given what its search chose; with probability 0, just that.

        An action ends where it is no longer legal. Of numbered actions `masks` says which are; others always are.
        """
        if not self._probability:
            return chosen
        self._end_illegal(masks)
        is_lasting = self._num_left > 0
        self._num_left[is_lasting] -= 1
        begins = ~is_lasting & (rng.random(len(chosen)) < self._probability)
        self._num_left[begins] = np.minimum(rng.zipf(EXPONENT, np.count_nonzero(begins)), MAX_REPEATS)
        played = chosen.copy()
        if self._lasting is not None:
            played[is_lasting] = self._lasting[is_lasting]
        self._lasting = played
        return played

    def end(self, envs: Bool[np.ndarray, " env"]) -> None:
        """Let no action last in these environments, whose games are over."""
        self._num_left[envs] = 0

    def _end_illegal(self, masks: Bool[np.ndarray, "env action"]) -> None:
        if self._lasting is not None and masks.shape[1]:
            is_legal = masks[np.arange(len(masks)), self._lasting]
            self._num_left[~is_legal] = 0
