"""The light encoder: three strided convolutions, a twentieth of the ResNet's arithmetic, from 32 pixels a side."""

from math import prod

from torch import nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import norm_maker
from kvzero.model.encoders.stages import Stages

__all__ = ["build_strided"]

KERNELS_AND_STRIDES = (8, 4), (3, 2), (3, 1)
"""Those of Mnih et al. 2015, but for the second kernel, which was 4: of 64 pixels the first layer makes 15 places, of
which kernels of 3, two places apart, see every one, and kernels of 4 all but the last."""


def build_strided(shape: tuple[int, int, int], config: ModelConfig) -> Stages:
    """Return three convolutions, of `encoder_channels` / 2, `encoder_channels` and `encoder_channels` channels.

    With 64 of them an image of 64x64 pixels costs 6.4 million operations in colour and 7.3 in four grey frames, its
    projection to `E` numbers another `3,200 E`.
    """
    before, *size = shape
    wide = config.encoder_channels
    layers: list[nn.Module] = []
    for channels, (kernel, stride) in zip((wide // 2, wide, wide), KERNELS_AND_STRIDES, strict=True):
        missing = [(kernel - side) % stride for side in size]  # zeros that let the last kernel see the last pixels
        if any(missing):
            layers.append(nn.ZeroPad2d((0, missing[1], 0, missing[0])))
        size = [(side + more - kernel) // stride + 1 for side, more in zip(size, missing, strict=True)]
        make_norm = norm_maker(config.image_norm, (size[0], size[1]))
        layers += [nn.Conv2d(before, channels, kernel, stride, bias=False), make_norm(channels), nn.ReLU()]
        before = channels
    return Stages(nn.Sequential(*layers), wide * prod(size), is_channels_last=True)
