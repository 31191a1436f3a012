"""The sizes of a context: what model and stores must agree on."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from kvzero.checks import read_fields
from kvzero.errors import ConfigError

__all__ = ["ContextLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextLayout:
    """Sizes of the keys and values that a transformer caches for one window of tokens."""

    num_layers: int
    """Transformer layers; each keeps keys and values of its own."""

    num_heads: int
    """Attention heads per layer."""

    head_dim: int
    """Width of one head; `num_heads * head_dim` is the embedding width."""

    context_tokens: int
    """Tokens that a token may attend to, itself included; two tokens make one environment step."""

    is_sliding: bool = False
    """Whether a token's index counts from the start of its window, as learned positions need it, not of its episode.

    When a sliding context reaches `context_tokens - 1` tokens, its oldest observation and action go and the others move
    up, so that at most `context_tokens - 3` tokens are kept between two steps.
    """

    def __post_init__(self) -> None:
        read_fields(self)
        for name in ("num_layers", "num_heads", "head_dim", "context_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; a context needs at least 1")
        if self.context_tokens % 2:
            raise ConfigError(f"context_tokens is {self.context_tokens}; give an even number, two tokens make one step")
        if self.is_sliding and self.context_tokens < 4:
            raise ConfigError(
                f"context_tokens is {self.context_tokens}; a window that slides needs at least 4, "
                "an observation to keep and a step to add"
            )

    @property
    def token_shape(self) -> tuple[int, int, int, int]:
        """Shape of the keys and values of one token: `(layer, 2, head, head_dim)`."""
        return (self.num_layers, 2, self.num_heads, self.head_dim)

    @property
    def history_steps(self) -> int:
        """Past steps from which a root's context can be rebuilt exactly.

        Through `L` layers a token sees `L(C - 1) + 1` tokens back; `L * C / 2` steps hold at least as many. A sliding
        window holds `C - 1` tokens, and nothing in it saw what came before.
        """
        if self.is_sliding:
            return self.context_tokens // 2 - 1
        return self.num_layers * self.context_tokens // 2

    @property
    def embed_dim(self) -> int:
        """Width of a token."""
        return self.num_heads * self.head_dim

    @property
    def context_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the keys and values of a whole context: `(slot, layer, 2, head, head_dim)`."""
        return (self.context_tokens, *self.token_shape)

    def next_positions(self, lengths: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Return the index of the token that comes next on paths of `lengths` tokens, all odd: they end with a latent.

        An episode that has not begun has -1 tokens, and -1 is then the index of the action token that it lacks; its
        first latent token follows with index 0.
        """
        if not self.is_sliding:
            return lengths
        return np.where(lengths < self.context_tokens - 1, lengths, self.context_tokens - 3)

    def held_tokens(self, lengths: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Return how many of a path's `lengths` tokens its stored context holds."""
        return self.next_positions(lengths) if self.is_sliding else lengths.clip(max=self.context_tokens)

    def token_bytes(self, dtype: torch.dtype) -> int:
        """Bytes that the keys and values of one token take."""
        return 2 * self.num_layers * self.num_heads * self.head_dim * dtype.itemsize

    def context_bytes(self, dtype: torch.dtype) -> int:
        """Bytes that a whole stored context takes: `C * 2 * L * E` numbers, and `C * E` raw tokens where it slides."""
        raw_bytes = self.embed_dim * dtype.itemsize if self.is_sliding else 0
        return self.context_tokens * (self.token_bytes(dtype) + raw_bytes)
