"""Encoders: one observation in, one latent token out."""

from collections.abc import Callable
from math import prod

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.errors import ConfigError
from kvzero.model.config import SIMNORM_GROUP, ImageNorm, LatentNorm, ModelConfig
from kvzero.model.normaliser import Normaliser
from kvzero.records import EnvSpec

__all__ = ["LARGEST_FEATURE", "SimNorm", "VectorEncoder", "build_encoder", "build_latent_norm"]

LARGEST_FEATURE = 1e16
"""The first layer norm squares and adds what the first layer makes of features; float32 ends at 3.4e38."""

MIN_IMAGE_SIZE = 16


class SimNorm(nn.Module):
    """Softmax in groups of 8: a latent is a list of small simplices (Lavoie et al. 2022; Hansen et al. 2024)."""

    def forward(self, features: Float[Tensor, "*batch embed"]) -> Float[Tensor, "*batch embed"]:
        """Normalise every group of eight numbers to sum to one."""
        return torch.unflatten(features, -1, (-1, SIMNORM_GROUP)).softmax(-1).flatten(-2)


def build_latent_norm(kind: LatentNorm, embed_dim: int) -> nn.Module:
    """Return the norm that ends the encoder and the next-latent head alike."""
    return SimNorm() if kind == "simnorm" else nn.LayerNorm(embed_dim, elementwise_affine=False)


class VectorEncoder(nn.Module):
    """An MLP for vector observations."""

    def __init__(self, num_features: int, config: ModelConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.normaliser = Normaliser(num_features) if config.normalize_observations else None
        self.layers = nn.Sequential(
            nn.Linear(num_features, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, config.embed_dim),
            build_latent_norm(config.latent_norm, config.embed_dim),
        )

    def forward(self, observations: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch embed"]:
        """Encode vectors."""
        if self.normaliser is not None:
            observations = self.normaliser(observations.float())
        latents: Tensor = self.layers(observations.to(next(self.parameters()).dtype))
        return latents


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


class ImageEncoder(nn.Module):
    """A small ResNet that brings an image to an eighth of its size, then one linear layer."""

    def __init__(self, shape: tuple[int, int, int], config: ModelConfig) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < MIN_IMAGE_SIZE:
            raise ConfigError(
                f"images are {height}x{width}; the image encoder needs at least {MIN_IMAGE_SIZE} a side: give Atari "
                "games and DeepMind Control a larger --image-size, wrap other environments in "
                "gymnasium.wrappers.ResizeObservation, or in FlattenObservation to have vectors"
            )
        wide, half = config.encoder_channels, config.encoder_channels // 2
        sizes = _halvings(height, width)
        at_half, at_quarter, at_eighth = (_norm_maker(config.image_norm, size) for size in sizes)
        repeats = range(config.encoder_blocks)
        self.stages = nn.Sequential(
            nn.Conv2d(channels, half, 3, 2, 1, bias=False),
            at_half(half),
            nn.ReLU(),
            *(ResidualBlock(half, half, stride=1, make_norm=at_half) for _ in repeats),
            ResidualBlock(half, wide, stride=2, make_norm=at_quarter),
            *(ResidualBlock(wide, wide, stride=1, make_norm=at_quarter) for _ in repeats),
            nn.AvgPool2d(2, ceil_mode=True),
            *(ResidualBlock(wide, wide, stride=1, make_norm=at_eighth) for _ in repeats),
        )
        num_features = wide * prod(sizes[-1])
        self.project = nn.Sequential(
            nn.Linear(num_features, config.embed_dim), build_latent_norm(config.latent_norm, config.embed_dim)
        )

    def forward(self, observations: Shaped[Tensor, "batch channel height width"]) -> Float[Tensor, "batch embed"]:
        """Encode images given as bytes."""
        pixels = observations.to(next(self.parameters()).dtype) / 255
        latents: Tensor = self.project(self.stages(pixels).flatten(1))
        return latents


def _halvings(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes that an image has after being halved once, twice and three times, rounded up."""
    return [(-(-height // share), -(-width // share)) for share in (2, 4, 8)]


def _norm_maker(kind: ImageNorm, size: tuple[int, int]) -> Callable[[int], nn.Module]:
    """Return what makes the norm of so many channels of features of this height and width."""
    if kind == "layer":
        return lambda channels: nn.LayerNorm((channels, *size))
    return lambda channels: nn.GroupNorm(channels // 8, channels)


def build_encoder(spec: EnvSpec, config: ModelConfig) -> nn.Module:
    """Return the encoder that fits the observations of `spec`.

    Raises:
        ConfigError: if images are too small, or a setting is that of another kind of observation.
    """
    if spec.is_image:
        if config.normalize_observations:
            raise ConfigError("normalize_observations would have no effect on images; leave it at False")
        channels, height, width = spec.observation_shape
        return ImageEncoder((channels, height, width), config)
    if config.image_norm != "group":
        raise ConfigError(f"image_norm is {config.image_norm}, which has no effect on vectors; leave it at group")
    return VectorEncoder(spec.observation_shape[0], config)
