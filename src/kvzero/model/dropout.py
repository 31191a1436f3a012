"""What one training pass leaves out at random."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

__all__ = ["NO_DROPOUT", "Dropout", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Shares of numbers that a pass sets to 0 (Srivastava et al. 2014); the others grow so that the mean stays.

    It is handed to a pass and belongs to none: what writes or reads a cache is given no dropout, in whatever mode the
    network is, so that cached and uncached predictions are equal.
    """

    embedding: float = 0.0
    """Of tokens with their positions, before the first layer."""

    residual: float = 0.0
    """Of what attention and the MLP of each layer add to the stream."""

    attention: float = 0.0
    """Of attention weights."""


NO_DROPOUT = Dropout()


def drop(values: Tensor, share: float) -> Tensor:
    """Return values of which a share is left out; the very same, and no random number drawn, where the share is 0."""
    return functional.dropout(values, share) if share else values
