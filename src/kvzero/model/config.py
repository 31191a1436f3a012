"""The knobs of the network."""

from dataclasses import dataclass
from typing import Literal

from kvzero.cache import ContextLayout
from kvzero.checks import read_fields
from kvzero.errors import ConfigError

__all__ = ["ImageEncoderKind", "ImageNorm", "LatentNorm", "ModelConfig", "Positions", "WindowSlide"]

ImageEncoderKind = Literal["auto", "resnet", "strided", "small"]
ImageNorm = Literal["group", "layer"]
LatentNorm = Literal["simnorm", "layernorm"]
Positions = Literal["rotary", "learned"]
WindowSlide = Literal["rebuild", "shift"]

SIMNORM_GROUP = 8
INIT_STD = 0.02
"""Spread of first weights and embeddings, as in GPT-2."""
DEFAULT_MAX_TOKENS = 64
DEFAULT_ENCODER_WIDTH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Sizes of encoder, transformer and heads."""

    embed_dim: int = 64
    """Width of a token (E)."""

    num_layers: int = 2
    """Transformer layers (L)."""

    num_heads: int = 4
    """Attention heads per layer (h)."""

    context_tokens: int = 16
    """Tokens that a token may attend to, itself included (C); two tokens make one environment step."""

    positions: Positions = "rotary"
    """How a token knows its place: rotary turns queries and keys by the index in the episode; learned adds a trained
    embedding of the index in the window, which slides."""

    max_tokens: int = DEFAULT_MAX_TOKENS
    """Learned positions: embeddings in the table; at least the context, and the tokens of a training segment."""

    window: WindowSlide = "rebuild"
    """Learned positions: rebuild recomputes the keys and values that a sliding window keeps; shift only adds the
    difference of projected position embeddings to them, as the predecessor did, which is an approximation."""

    support_size: int = 101
    """Bins of the categorical reward and value; odd, centred on 0 in transformed units."""

    latent_norm: LatentNorm = "simnorm"
    """Norm that ends the encoder and the next-latent head alike."""

    head_expansion: int = 1
    """Width of the hidden layer of each prediction head, in multiples of the embedding width."""

    encoder_width: int = DEFAULT_ENCODER_WIDTH
    """Hidden width of the MLP encoder for vector observations."""

    normalize_observations: bool = False
    """Show each feature, or each pixel, less its running mean and over its running standard deviation."""

    image_encoder: ImageEncoderKind = "auto"
    """Images only: resnet reads 16 pixels a side or more; strided 32 or more, at a twentieth of the cost; small 5 to
    32, merging none with another, as grids need it; auto is small below 16 pixels a side, else resnet."""

    encoder_channels: int = 64
    """Images only: channels of the last layers of the encoder; the first ones have half as many."""

    encoder_blocks: int = 1
    """Residual blocks per resolution of the ResNet encoder."""

    image_norm: ImageNorm = "group"
    """Norm inside the encoder of images: group takes eight channels together; layer the whole of an image's features,
    with a weight for each of them."""

    def __post_init__(self) -> None:
        read_fields(self)
        for name in ("embed_dim", "num_heads", "head_expansion", "encoder_width", "encoder_channels", "encoder_blocks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.embed_dim % self.num_heads:
            raise ConfigError(
                f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}; "
                "every head needs the same width"
            )
        if self.positions == "rotary" and self.embed_dim // self.num_heads % 2:
            raise ConfigError(
                f"embed_dim {self.embed_dim} / num_heads {self.num_heads} is odd; "
                "rotary positions turn pairs of numbers, so give an even head width"
            )
        if self.latent_norm == "simnorm" and self.embed_dim % SIMNORM_GROUP:
            raise ConfigError(
                f"embed_dim {self.embed_dim} is not divisible by {SIMNORM_GROUP}, the group size of simnorm; "
                "change it or use latent_norm=layernorm"
            )
        if self.support_size < 3 or self.support_size % 2 == 0:
            raise ConfigError(f"support_size is {self.support_size}; give an odd number of bins, at least 3")
        if self.encoder_channels % 16:
            raise ConfigError(f"encoder_channels is {self.encoder_channels}; give a multiple of 16")
        self._check_encoder()
        self._check_positions()
        _ = self.layout

    @property
    def layout(self) -> ContextLayout:
        """Sizes of the context that this network caches."""
        return ContextLayout(
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            head_dim=self.embed_dim // self.num_heads,
            context_tokens=self.context_tokens,
            is_sliding=self.positions == "learned",
        )

    def _check_encoder(self) -> None:
        """Refuse what has no effect on an encoder that is named; one that is not depends on the environment."""
        if self.image_encoder in ("strided", "small") and self.encoder_blocks != 1:
            raise ConfigError(
                f"encoder_blocks is {self.encoder_blocks}, which has no effect with "
                f"image_encoder={self.image_encoder}: only the ResNet has blocks; leave it at 1, or set "
                "image_encoder=resnet"
            )
        if self.image_encoder != "auto" and self.encoder_width != DEFAULT_ENCODER_WIDTH:
            raise ConfigError(
                f"encoder_width is {self.encoder_width}, which has no effect with image_encoder={self.image_encoder}: "
                "it is for vectors; leave it out, or image_encoder at auto"
            )

    def _check_positions(self) -> None:
        if self.positions == "learned":
            if self.max_tokens < self.context_tokens:
                raise ConfigError(
                    f"max_tokens is {self.max_tokens} but context_tokens is {self.context_tokens}; "
                    "every token of the context needs an embedding of its own"
                )
            return
        defaults = {"max_tokens": DEFAULT_MAX_TOKENS, "window": "rebuild"}
        if idle := [name for name, default in defaults.items() if getattr(self, name) != default]:
            given = " and ".join(f"{name} is {getattr(self, name)}" for name in idle)
            raise ConfigError(
                f"{given}, which has no effect with positions=rotary: rotary positions have no table and never move; "
                f"leave out {' and '.join(idle)}, or set positions=learned"
            )
