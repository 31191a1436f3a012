"""The encoder of images: pixels from 0 to 1, normalised or not, convolutions, one linear layer."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import build_latent_norm
from kvzero.model.encoders.pixels import build_pixels
from kvzero.model.encoders.stages import Stages
from kvzero.model.normaliser import Normaliser
from kvzero.records import EnvSpec

__all__ = ["ImageEncoder"]

TAKEN_AT_ONCE = 256
"""Images whose mean is taken at once, in float64: of three stacked frames of 64x64 pixels these are 75 MB."""


class ImageEncoder(nn.Module):
    """Convolutions, then one linear layer."""

    def __init__(self, stages: Stages, spec: EnvSpec, config: ModelConfig) -> None:
        super().__init__()
        self.pixels = build_pixels(spec)
        self.normaliser = Normaliser(*spec.observation_shape) if config.normalize_observations else None
        self.stages = stages.layers
        self.project = nn.Sequential(
            nn.Linear(stages.num_features, config.embed_dim), build_latent_norm(config.latent_norm, config.embed_dim)
        )
        self._memory_format = torch.channels_last if stages.is_channels_last else torch.contiguous_format

    def forward(self, observations: Shaped[Tensor, "batch channel height width"]) -> Float[Tensor, "batch embed"]:
        """Encode images."""
        return self.encode_seen(self.see(observations))

    def see(
        self, observations: Shaped[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return what the convolutions see of images."""
        dtype = next(self.parameters()).dtype
        if self.normaliser is None:
            pixels: Tensor = self.pixels(observations, dtype)
        else:
            pixels = self.normaliser(self.pixels(observations, torch.float32)).to(dtype)
        return pixels

    def encode_seen(self, seen: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch embed"]:
        """Encode what `see` returned, changed or not."""
        features = self.stages(seen.contiguous(memory_format=self._memory_format))
        latents: Tensor = self.project(features.flatten(1))
        return latents

    def take_in(self, observations: Shaped[Tensor, "batch channel height width"]) -> None:
        """Add images to what is normalised by, if anything is."""
        if self.normaliser is not None:
            for some in torch.split(observations, TAKEN_AT_ONCE):
                self.normaliser.take_in(self.pixels(some, torch.float32))
