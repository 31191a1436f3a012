"""The encoder of small images, of grids above all: 5 to 32 places a side, none of which is merged with another."""

from torch import nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import norm_maker
from kvzero.model.encoders.stages import Stages

__all__ = ["build_small"]


def build_small(shape: tuple[int, int, int], config: ModelConfig) -> Stages:
    """Return two convolutions without strides, of `encoder_channels` / 2 and `encoder_channels` channels.

    The first looks at a place and its neighbours; at the place alone where an image has more channels than
    `encoder_channels`, since nine times as many weights would then cost more than all that follows.
    """
    channels, height, width = shape
    wide, half = config.encoder_channels, config.encoder_channels // 2
    make_norm = norm_maker(config.image_norm, (height, width))
    first_kernel = 3 if channels <= wide else 1
    layers = nn.Sequential(
        nn.Conv2d(channels, half, first_kernel, padding="same", bias=False),
        make_norm(half),
        nn.ReLU(),
        nn.Conv2d(half, wide, 3, padding="same", bias=False),
        make_norm(wide),
        nn.ReLU(),
    )
    return Stages(layers, wide * height * width)
