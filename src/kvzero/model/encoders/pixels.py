"""What a network sees of pixels: numbers from 0 to 1."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.records import EnvSpec

__all__ = ["FloatPixels", "build_pixels"]


class BytePixels(nn.Module):
    """Bytes from 0 to 255."""

    def forward(
        self, images: Shaped[Tensor, "batch channel height width"], dtype: torch.dtype
    ) -> Float[Tensor, "batch channel height width"]:
        """Return bytes as numbers of a type."""
        return images.to(dtype) / 255


class FlagPixels(nn.Module):
    """Flags, which become 0 and 1."""

    def forward(
        self, images: Shaped[Tensor, "batch channel height width"], dtype: torch.dtype
    ) -> Float[Tensor, "batch channel height width"]:
        """Return flags as numbers of a type."""
        return images.to(dtype)


class FloatPixels(nn.Module):
    """Floats, of which each channel has a lowest and a highest number."""

    def __init__(self, bounds: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        low, high = torch.tensor(bounds, dtype=torch.float64).T[:, :, None, None]
        self.low: Tensor
        self.width: Tensor
        self.register_buffer("low", low.float(), persistent=False)  # known from the environment, so not saved
        self.register_buffer("width", (high - low).float(), persistent=False)

    def forward(
        self, images: Shaped[Tensor, "batch channel height width"], dtype: torch.dtype
    ) -> Float[Tensor, "batch channel height width"]:
        """Return floats within the bounds as numbers from 0 to 1 of a type."""
        return ((images.float() - self.low) / self.width).to(dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FloatPixels":
        """Move with the network, but stay float32: in bfloat16 the range from 1,000 to 1,001 would be one number."""
        kept = self.low, self.width
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.low, self.width = (bound.to(self.low.device) for bound in kept)
        return self


def build_pixels(spec: EnvSpec) -> nn.Module:
    """Return what turns the images of `spec` into numbers from 0 to 1."""
    if spec.pixels == "floats":
        return FloatPixels(spec.pixel_bounds)
    return FlagPixels() if spec.pixels == "flags" else BytePixels()
