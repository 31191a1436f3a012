"""Rotary position embedding by absolute token index (Su et al. 2021, RoFormer)."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

__all__ = ["Rotary", "rotate", "turn"]

BASE = 10_000.0
FIRST_TABLE_TOKENS = 1024


class Rotary(nn.Module):
    """A table of rotations that grows with the longest episode seen.

    Angles are computed in float64, so that a key made at token 50,000 is as precise as one made at token 5.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self._head_dim = head_dim
        self.register_buffer("table", self._build(FIRST_TABLE_TOKENS), persistent=False)
        self.table: Tensor

    def reserve(self, num_tokens: int) -> None:
        """Make the table cover tokens `0 .. num_tokens - 1`."""
        if num_tokens > len(self.table):
            with torch.inference_mode(mode=False):
                self.table = self._build(2 * num_tokens).to(self.table.device)

    def embed(
        self, tokens: Float[Tensor, "batch token embed"], positions: Int[Tensor, "#batch token"]
    ) -> Float[Tensor, "batch token embed"]:
        """Return the tokens as they are: queries and keys carry their positions."""
        del positions
        return tokens

    def forward(self, positions: Int[Tensor, "*token"]) -> Float[Tensor, "*token 2 head_dim"]:
        """Return cosine and signed sine of each position's rotation, to be given to `rotate`."""
        return self.table[positions]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Rotary":
        """Move with the network, but stay float32: in bfloat16, tokens 256 and 257 would have one position."""
        kept = self.table
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.table = kept.to(self.table.device)
        return self

    def _build(self, num_tokens: int) -> Float[Tensor, "token 2 head_dim"]:
        exponents = torch.arange(0, self._head_dim, 2, dtype=torch.float64) / self._head_dim
        angles = torch.arange(num_tokens, dtype=torch.float64)[:, None] * BASE**-exponents
        cosine = torch.cat([angles.cos(), angles.cos()], dim=-1)
        sine = torch.cat([-angles.sin(), angles.sin()], dim=-1)
        return torch.stack([cosine, sine], dim=1).float()


def rotate(
    vectors: Float[Tensor, "batch token 2 head head_dim"], rotation: Float[Tensor, "#batch token 2 head_dim"]
) -> Float[Tensor, "batch token 2 head head_dim"]:
    """Turn queries and keys by the rotation of their token: number `i` pairs with number `i + head_dim / 2`."""
    cosine, sine = rotation[:, :, 0, None, None], rotation[:, :, 1, None, None]
    turned = torch.addcmul(vectors * cosine, vectors.roll(vectors.shape[-1] // 2, dims=-1), sine)
    return turned.to(vectors.dtype)


def turn(
    vectors: Float[Tensor, "*lead token head_dim"], rotation: Float[Tensor, "*_ token 2 head_dim"]
) -> Float[Tensor, "*lead token head_dim"]:
    """Turn vectors that lie head by head as `rotate` does, with fewer passes over them, backward too."""
    turned: Tensor = _Turn.apply(vectors, rotation[..., 0, :], rotation[..., 1, :])  # type: ignore[no-untyped-call]
    return turned


class _Turn(torch.autograd.Function):
    """A rotation; its gradient is turned back."""

    @staticmethod
    def forward(ctx: FunctionCtx, vectors: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turn(vectors, cosine, sine, sign=1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turn(gradient, cosine, sine, sign=-1.0), None, None


def _turn(vectors: Tensor, cosine: Tensor, sine: Tensor, *, sign: float) -> Tensor:
    half, turned = vectors.shape[-1] // 2, vectors * cosine
    turned[..., :half].addcmul_(vectors[..., half:], sine[..., :half], value=sign)
    turned[..., half:].addcmul_(vectors[..., :half], sine[..., half:], value=sign)
    return turned.to(vectors.dtype)
