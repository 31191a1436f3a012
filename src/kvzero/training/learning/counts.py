"""How much each step of a batch counts, and the means that follow from it, over the shares of all ranks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kvzero.model import masked_mean
from kvzero.training.learning.ranks import Ranks
from kvzero.training.learning.targets import Targets, Unroll

__all__ = ["Counts", "count_steps"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much each step of this rank's share counts, and what that sums to over the whole batch.

    Means are divided by the sum over all ranks, so that what they return adds up to the mean over the batch. The mean
    of each rank's own mean would be another number: shares differ in how many of their steps count.
    """

    known: Float[Tensor, "batch time"]
    """For latents, rewards and values."""

    real: Float[Tensor, "batch time"]
    """For what the policy should have done."""

    totals: tuple[Float[Tensor, ""], Float[Tensor, ""]]
    """What `known` and `real` sum to over all ranks."""

    def mean_known(self, values: Float[Tensor, "batch time"]) -> Float[Tensor, ""]:
        """Return what this share adds to a mean over known steps."""
        return masked_mean(values, self.known, total=self.totals[0])

    def mean_real(self, values: Float[Tensor, "batch time"]) -> Float[Tensor, ""]:
        """Return what this share adds to a mean over steps that were taken."""
        return masked_mean(values, self.real, total=self.totals[1])


def count_steps(unroll: Unroll, targets: Targets, ranks: Ranks) -> Counts:
    """Return how much each step counts: as much as its segment, where those have weights."""
    known, real = targets.is_known.float(), targets.is_real.float()
    if unroll.weights is not None:
        known, real = known * unroll.weights[:, None], real * unroll.weights[:, None]
    of_known, of_real = ranks.sum(torch.stack([known.sum(), real.sum()]))
    return Counts(known, real, (of_known, of_real))
