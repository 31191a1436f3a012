"""The encoder of vectors."""

from jaxtyping import Float
from torch import Tensor, nn

from kvzero.model.config import ModelConfig
from kvzero.model.encoders.norms import build_latent_norm
from kvzero.model.normaliser import Normaliser

__all__ = ["LARGEST_FEATURE", "VectorEncoder"]

LARGEST_FEATURE = 1e16
"""The first layer norm squares and adds what the first layer makes of features; float32 ends at 3.4e38."""


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

    def take_in(self, observations: Float[Tensor, "batch feature"]) -> None:
        """Add observations to what is normalised by, if anything is."""
        if self.normaliser is not None:
            self.normaliser.take_in(observations)
