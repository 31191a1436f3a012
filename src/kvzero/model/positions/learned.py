"""Learned position embeddings, whose indices count from the start of the window."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kvzero.errors import ConfigError
from kvzero.model.config import INIT_STD, ModelConfig
from kvzero.model.positions.rotary import Rotary

__all__ = ["LearnedPositions", "build_positions"]


class LearnedPositions(nn.Module):
    """A trained embedding for each index, added to the token before the first layer (as in GPT-2).

    It serves what `Rotary` serves: there is nothing to turn, so every rotation is by zero.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(config.max_tokens, config.embed_dim)
        nn.init.normal_(self.table.weight, std=INIT_STD)
        head_dim = config.embed_dim // config.num_heads
        still = torch.stack([torch.ones(head_dim), torch.zeros(head_dim)])
        self.register_buffer("still", still, persistent=False)
        self.still: Tensor

    def reserve(self, num_tokens: int) -> None:
        """Refuse tokens beyond the table, which cannot grow.

        Raises:
            ConfigError: if there are more tokens than embeddings.
        """
        if num_tokens > self.table.num_embeddings:
            raise ConfigError(
                f"a sequence of {num_tokens} tokens was asked for, but max_tokens is {self.table.num_embeddings}; "
                "give the table more tokens, or pass shorter sequences"
            )

    def embed(
        self, tokens: Float[Tensor, "batch token embed"], positions: Int[Tensor, "#batch token"]
    ) -> Float[Tensor, "batch token embed"]:
        """Return the tokens with the embeddings of their indices added."""
        placed: Tensor = tokens + self.table(positions)
        return placed

    def forward(self, positions: Int[Tensor, "*token"]) -> Float[Tensor, "*token 2 head_dim"]:
        """Return rotations by zero."""
        return self.still.expand(*positions.shape, 2, -1)


def build_positions(config: ModelConfig) -> Rotary | LearnedPositions:
    """Return what tells a transformer of `config` where its tokens stand."""
    return Rotary(config.embed_dim // config.num_heads) if config.positions == "rotary" else LearnedPositions(config)
