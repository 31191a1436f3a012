"""Unrolls in open loop: from some step on the network sees nothing more, and goes on from its own predictions.

That is how a search reads it at every node below a root, and how MuZero is trained (Schrittwieser et al. 2020); UniZero
(Pu et al. 2024) is trained on what was seen alone, and meets its own predictions for the first time in a search.
"""

from functools import cache
from math import floor

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from kvzero.model import Network, Predictions
from kvzero.training.learning.augmentation import encode_shifted

__all__ = ["OpenLoop", "count_seen"]


class OpenLoop:
    """Predicts the steps of segments, a share of which are shown no further than to some step.

    Which ones is a matter of their order alone, and each number of steps is shown alike often: nothing is drawn.

    Args:
        share: of a batch's segments, those that are not shown whole.
        rank: which share of a batch is predicted here, of equal ones.
    """

    def __init__(self, share: float, *, rank: int = 0) -> None:
        self._share = share
        self._rank = rank
        self._places = cache(self._find_places)  # an update that is recorded brings nothing from the host

    def predict(
        self,
        network: Network,
        observations: Shaped[Tensor, "batch time ..."],
        actions: Shaped[Tensor, "batch time *action"],
        shifts: Int64[Tensor, "2 batch"] | None,
    ) -> Predictions:
        """Return what the network says of every step; observations that it is not to see are not encoded."""
        num_segments, num_steps = observations.shape[:2]
        num_seen, segments, times = self._places(num_segments, num_steps, observations.device)
        some_shifts = None if shifts is None else shifts[:, segments]
        some = encode_shifted(network, observations[segments, times][:, None], some_shifts)[:, 0]
        latents = some.new_zeros(num_segments, num_steps, some.shape[1]).index_put((segments, times), some)
        return network.unroll(latents, actions, num_seen)

    def _find_places(self, num_segments: int, num_steps: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return how many steps of each segment are seen, and the segments and steps that are."""
        first = self._rank * num_segments
        counts = count_seen(num_segments, num_steps, share=self._share, first=first)
        segments, times = np.nonzero(np.arange(num_steps) < counts[:, None])
        found = [torch.from_numpy(array).to(device) for array in (counts, segments, times)]
        return found[0], found[1], found[2]


def count_seen(num_segments: int, num_steps: int, *, share: float, first: int = 0) -> Int64[np.ndarray, " segment"]:
    """Return how many steps are seen of each of `num_segments` segments, the `first` of which has that number.

    Of any that follow each other, `share` are seen for 1, 2, ... `num_steps - 1` steps in turn, the others whole.
    """
    numbers = range(first, first + num_segments + 1)
    opened = np.array([floor(number * share + 1e-9) for number in numbers], np.int64)  # before each: 0.7 · 10 is 7
    return np.where(opened[1:] > opened[:-1], 1 + opened[:-1] % max(num_steps - 1, 1), num_steps)
