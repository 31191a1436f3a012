"""The ResNet: for images of any content, from 16 pixels a side."""

from collections.abc import Callable
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import norm_maker
from kvzero.model.encoders.stages import Stages

__all__ = ["ResidualBlock", "build_resnet"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection, optionally halving the image and changing the channels."""

    def __init__(
        self, channels_in: int, channels_out: int, *, stride: int, make_norm: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            make_norm(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            make_norm(channels_out),
        )
        is_same = stride == 1 and channels_in == channels_out
        self.skip = nn.Identity() if is_same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, image: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        """Add what the body finds to what came in."""
        return torch.relu(self.skip(image) + self.body(image))


def build_resnet(shape: tuple[int, int, int], config: ModelConfig) -> Stages:
    """Return a small ResNet that brings an image to an eighth of its size."""
    channels, height, width = shape
    wide, half = config.encoder_channels, config.encoder_channels // 2
    sizes = _halvings(height, width)
    at_half, at_quarter, at_eighth = (norm_maker(config.image_norm, size) for size in sizes)
    repeats = range(config.encoder_blocks)
    layers = nn.Sequential(
        nn.Conv2d(channels, half, 3, 2, 1, bias=False),
        at_half(half),
        nn.ReLU(),
        *(ResidualBlock(half, half, stride=1, make_norm=at_half) for _ in repeats),
        ResidualBlock(half, wide, stride=2, make_norm=at_quarter),
        *(ResidualBlock(wide, wide, stride=1, make_norm=at_quarter) for _ in repeats),
        nn.AvgPool2d(2, ceil_mode=True),
        *(ResidualBlock(wide, wide, stride=1, make_norm=at_eighth) for _ in repeats),
    )
    return Stages(layers, wide * prod(sizes[-1]))


def _halvings(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes that an image has after being halved once, twice and three times, rounded up."""
    return [(-(-height // share), -(-width // share)) for share in (2, 4, 8)]
