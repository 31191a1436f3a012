"""The encoder of images: pixels from 0 to 1, convolutions, one linear layer."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import build_latent_norm
from kvzero.model.encoders.pixels import build_pixels
from kvzero.model.encoders.stages import Stages
from kvzero.records import EnvSpec

__all__ = ["ImageEncoder"]


class ImageEncoder(nn.Module):
    """Convolutions, then one linear layer."""

    def __init__(self, stages: Stages, spec: EnvSpec, config: ModelConfig) -> None:
        super().__init__()
        self.pixels = build_pixels(spec)
        self.stages = stages.layers
        self.project = nn.Sequential(
            nn.Linear(stages.num_features, config.embed_dim), build_latent_norm(config.latent_norm, config.embed_dim)
        )
        self._memory_format = torch.channels_last if stages.is_channels_last else torch.contiguous_format

    def forward(self, observations: Shaped[Tensor, "batch channel height width"]) -> Float[Tensor, "batch embed"]:
        """Encode images."""
        pixels = self.pixels(observations, next(self.parameters()).dtype)
        features = self.stages(pixels.contiguous(memory_format=self._memory_format))
        latents: Tensor = self.project(features.flatten(1))
        return latents
