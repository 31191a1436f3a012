"""The norms inside encoders, and the one that ends them."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kvzero.model.config import SIMNORM_GROUP, ImageNorm, LatentNorm

__all__ = ["SimNorm", "build_latent_norm", "norm_maker"]


class SimNorm(nn.Module):
    """Softmax in groups of 8: a latent is a list of small simplices (Lavoie et al. 2022; Hansen et al. 2024)."""

    def forward(self, features: Float[Tensor, "*batch embed"]) -> Float[Tensor, "*batch embed"]:
        """Normalise every group of eight numbers to sum to one."""
        return torch.unflatten(features, -1, (-1, SIMNORM_GROUP)).softmax(-1).flatten(-2)


def build_latent_norm(kind: LatentNorm, embed_dim: int) -> nn.Module:
    """Return the norm that ends the encoder and the next-latent head alike."""
    return SimNorm() if kind == "simnorm" else nn.LayerNorm(embed_dim, elementwise_affine=False)


def norm_maker(kind: ImageNorm, size: tuple[int, int]) -> Callable[[int], nn.Module]:
    """Return what makes the norm of so many channels of features of this height and width."""
    if kind == "layer":
        return lambda channels: nn.LayerNorm((channels, *size))
    return lambda channels: nn.GroupNorm(channels // 8, channels)
