"""Action tokens: a row of a table for a numbered action, a normalised projection for a vector."""

from jaxtyping import Float
from torch import Tensor, nn

from kvzero.model.config import INIT_STD, ModelConfig
from kvzero.model.encoders import build_latent_norm
from kvzero.records import EnvSpec

__all__ = ["ActionProjection", "build_action_table"]


class ActionProjection(nn.Linear):
    """A linear layer and the latents' norm: what a table row is to a numbered action, for a vector from -1 to 1."""

    def __init__(self, action_dim: int, config: ModelConfig) -> None:
        super().__init__(action_dim, config.embed_dim)
        self.norm = build_latent_norm(config.latent_norm, config.embed_dim)

    def forward(self, actions: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch embed"]:
        """Return the token of each action."""
        tokens: Tensor = self.norm(super().forward(actions.to(self.weight.dtype)))
        return tokens


def build_action_table(spec: EnvSpec, config: ModelConfig) -> nn.Embedding | ActionProjection:
    """Return what turns the actions of `spec` into tokens."""
    if spec.is_continuous:
        return ActionProjection(spec.action_dim, config)
    table = nn.Embedding(spec.num_actions, config.embed_dim)
    nn.init.normal_(table.weight, std=INIT_STD)
    return table
