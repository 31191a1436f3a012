"""What an image encoder is built around: convolutions, and how many features they leave."""

from dataclasses import dataclass

from torch import nn

__all__ = ["Stages"]


@dataclass(frozen=True, slots=True)
class Stages:
    """Layers from pixels `[batch, channel, height, width]` to features, which are then flattened and projected."""

    layers: nn.Sequential
    """The layers."""

    num_features: int
    """Numbers that they leave of one image."""

    is_channels_last: bool = False
    """Whether they compute faster where the channels of a place lie together in memory; results do not depend on it."""
