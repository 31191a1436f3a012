"""Normalisation of observations by the mean and variance of all that were seen, kept beside the weights."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Normaliser"]

EPSILON = 1e-4
"""Added to the variance: a feature that never changes is shown as 0, and a pixel at most a hundredfold."""

LIMIT = 10.0
"""Normalised features are clipped to this."""


class Normaliser(nn.Module):
    """Shows each feature less its mean and over its standard deviation; before the first `take_in` as it is.

    Mean, variance and count are buffers: they are saved with the weights, and everything that acts, trains or
    recomputes with the network sees the same ones. They change only by `take_in`.

    Features are the numbers of a vector, or the pixels of an image, those of each channel apart.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor

    def forward(self, observations: Float[Tensor, "batch *feature"]) -> Float[Tensor, "batch *feature"]:
        """Normalise observations."""
        return ((observations - self.mean) * (self.variance + EPSILON).rsqrt()).clamp(-LIMIT, LIMIT)

    @torch.no_grad()
    def take_in(self, observations: Float[Tensor, "batch *feature"]) -> None:
        """Add a batch to mean and variance (Chan, Golub and LeVeque 1983, eq. 2.1), computed in float64."""
        before, new = self.count.double(), float(len(observations))
        batch = observations.double()
        batch_mean, batch_variance = batch.mean(0), batch.var(0, correction=0)
        shift = batch_mean - self.mean
        total = before + new
        squares = self.variance * before + batch_variance * new + shift.square() * before * new / total
        self.mean.copy_(self.mean + shift * new / total)
        self.variance.copy_(squares / total)
        self.count += len(observations)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Normaliser":
        """Move with the network, but stay float32: a mean in bfloat16 would shift every observation."""
        kept = self.mean, self.variance
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.mean, self.variance = (statistic.to(self.count.device) for statistic in kept)
        return self
