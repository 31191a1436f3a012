"""Which encoder reads the observations of an environment, and what none of them reads."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from kvzero.errors import ConfigError
from kvzero.model.config import ImageEncoderKind, ModelConfig
from kvzero.model.encoders.images import ImageEncoder
from kvzero.model.encoders.resnet import build_resnet
from kvzero.model.encoders.small import build_small
from kvzero.model.encoders.stages import Stages
from kvzero.model.encoders.strided import build_strided
from kvzero.model.encoders.vectors import VectorEncoder
from kvzero.records import EnvSpec

__all__ = ["build_encoder", "check_images"]

MOST_CHANNELS = 512
"""Shogi, of the games learnt from planes the one with the most, has 362 (Silver et al. 2018). What has many more is
rather a list of features whose axes were taken for those of an image."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of image encoder."""

    build: Callable[[tuple[int, int, int], ModelConfig], Stages]
    """What makes its convolutions."""

    smallest: int
    """Pixels that the shorter side must have."""

    largest: int | None = None
    """Pixels that the longer side may have."""


KINDS: dict[ImageEncoderKind, Kind] = {
    "resnet": Kind(build_resnet, 16),  # a side is halved three times
    "strided": Kind(build_strided, 32),  # of 32 pixels its last layer leaves one place
    "small": Kind(build_small, 5, 32),  # at 64 pixels its projection would have 262,144 weights per number of a latent
}


def build_encoder(spec: EnvSpec, config: ModelConfig) -> nn.Module:
    """Return the encoder that fits the observations of `spec`.

    Raises:
        ConfigError: if images do not fit the encoder, or a setting is that of another kind of observation.
    """
    if spec.is_image:
        channels, height, width = spec.observation_shape
        kind = check_images((channels, height, width), config)
        return ImageEncoder(KINDS[kind].build((channels, height, width), config), spec, config)
    if config.image_norm != "group":
        raise ConfigError(f"image_norm is {config.image_norm}, which has no effect on vectors; leave it at group")
    if config.image_encoder != "auto":
        raise ConfigError(f"image_encoder is {config.image_encoder}, which has no effect on vectors; leave it at auto")
    return VectorEncoder(spec.observation_shape[0], config)


def check_images(shape: tuple[int, int, int], config: ModelConfig) -> ImageEncoderKind:
    """Return the kind of encoder for images of a shape `(channel, height, width)`.

    Raises:
        ConfigError: if it does not read such images, or a setting has no effect on it.
    """
    channels, height, width = shape
    if channels > MOST_CHANNELS:
        raise ConfigError(
            f"images have {channels:,} channels, and encoders take at most {MOST_CHANNELS}, as more are features "
            "rather than a picture; give Atari games a smaller --frame-stack, wrap other environments in "
            "gymnasium.wrappers.FlattenObservation to have vectors"
        )
    kind = config.image_encoder
    if kind == "auto":
        kind = "small" if min(height, width) < KINDS["resnet"].smallest else "resnet"
    if kind == "small":
        replace(config, image_encoder=kind)  # refuses what has no effect on it
    limits = KINDS[kind]
    if min(height, width) < limits.smallest or (limits.largest and max(height, width) > limits.largest):
        upto = f" to {limits.largest}" if limits.largest else " or more"
        raise ConfigError(
            f"images are {height}x{width}, and image_encoder={kind} reads {limits.smallest}{upto} pixels a side; "
            f"{_remedy(min(height, width), max(height, width))}"
        )
    return kind


def _remedy(shorter: int, longer: int) -> str:
    fitting = [
        kind
        for kind, limits in KINDS.items()
        if limits.smallest <= shorter and (limits.largest is None or longer <= limits.largest)
    ]
    others = f"choose image_encoder={' or '.join(fitting)}, or " if fitting else ""
    return (
        f"{others}give Atari games and DeepMind Control another --image-size, wrap other environments in "
        "gymnasium.wrappers.ResizeObservation, or in FlattenObservation to have vectors"
    )
