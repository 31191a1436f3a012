"""Categorical scalars: two-hot over an integer support of transformed rewards and values."""

from collections.abc import Callable
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Support", "compress", "decompress"]

EPSILON = 0.001


def compress(scalars: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return `h(x) = sign(x) (sqrt(|x| + 1) - 1) + 0.001 x` (Pohlen et al. 2018, proposition A.2)."""
    return scalars.sign() * ((scalars.abs() + 1).sqrt() - 1) + EPSILON * scalars


def decompress(compressed: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the inverse of `compress`.

    With `u = sqrt(|x| + 1)` the definition is the quadratic `0.001 u^2 + u - (1 + 0.001 + |h|) = 0`; its positive
    root is taken in the form that does not cancel: `2 c / (1 + sqrt(1 + 4 * 0.001 c))` with `c = 1 + 0.001 + |h|`.
    """
    constant = compressed.abs() + (1 + EPSILON)
    root = 2 * constant / (1 + (1 + 4 * EPSILON * constant).sqrt())
    return compressed.sign() * (root * root - 1)


class Support(nn.Module):
    """The integers `-(n - 1) / 2 .. (n - 1) / 2` in transformed units, and the way to them and back."""

    def __init__(self, size: int) -> None:
        super().__init__()
        limit = size // 2
        self.register_buffer("bins", torch.arange(-limit, limit + 1, dtype=torch.float32), persistent=False)
        self.bins: Tensor

    @property
    def largest(self) -> float:
        """The scalar of the last bin; its negative is that of the first."""
        return decompress(self.bins[-1]).item()

    @staticmethod
    def size_for(scalar: float) -> int:
        """Return the least size of a support that holds a scalar without clipping it."""
        return 2 * ceil(compress(torch.tensor(abs(scalar), dtype=torch.float64)).item()) + 1

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Support":
        """Move with the network, but stay float32: bfloat16 has no integer between 256 and 258."""
        kept = self.bins
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.bins = kept.to(self.bins.device)
        return self

    def encode(self, scalars: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape bin"]:
        """Return two-hot probabilities whose decoded value is `scalars`, clipped to the support; NaN stays NaN."""
        place = self._place(scalars)
        lower = place.floor()
        share = (place - lower)[..., None]
        bin_below = lower.long().clamp(0, len(self.bins) - 1)  # NaN is cast to any integer
        numbers = torch.arange(len(self.bins), device=scalars.device)
        is_low = numbers == bin_below[..., None]
        is_high = numbers == (bin_below + 1).clamp(max=len(self.bins) - 1)[..., None]
        return is_low * (1 - share) + is_high * share

    def entropy(self, scalars: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the entropy of `encode(scalars)` in nats: what cross-entropy with it is at least, up to log 2."""
        share = self._place(scalars).frac()
        entropy: Tensor = torch.special.entr(share) + torch.special.entr(1 - share)
        return entropy

    def _place(self, scalars: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return where scalars lie among the bins, counted from the first."""
        limit = self.bins[-1]
        return compress(scalars).clamp(-limit, limit) + limit

    def decode(self, logits: Float[Tensor, "*shape bin"]) -> Float[Tensor, "*shape"]:
        """Return the scalar that categorical logits stand for: the expected bin, transformed back."""
        return decompress(self.expect(logits))

    def expect(self, logits: Float[Tensor, "*shape bin"]) -> Float[Tensor, "*shape"]:
        """Return the expected bin, in transformed units."""
        return (logits.float().softmax(-1) * self.bins).sum(-1)  # no product of matrices: autocast would round it
