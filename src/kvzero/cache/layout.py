"""The sizes of a context: what model and stores must agree on."""

from dataclasses import dataclass

import torch

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

    def __post_init__(self) -> None:
        for name in ("num_layers", "num_heads", "head_dim", "context_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; a context needs at least 1")
        if self.context_tokens % 2:
            raise ConfigError(f"context_tokens is {self.context_tokens}; give an even number, two tokens make one step")

    @property
    def token_shape(self) -> tuple[int, int, int, int]:
        """Shape of the keys and values of one token: `(layer, 2, head, head_dim)`."""
        return (self.num_layers, 2, self.num_heads, self.head_dim)

    @property
    def history_steps(self) -> int:
        """Past steps from which a root's context can be rebuilt exactly.

        Through `L` layers a token sees `L(C - 1) + 1` tokens back; `L * C / 2` steps hold at least as many.
        """
        return self.num_layers * self.context_tokens // 2

    def token_bytes(self, dtype: torch.dtype) -> int:
        """Bytes that the keys and values of one token take."""
        return 2 * self.num_layers * self.num_heads * self.head_dim * dtype.itemsize
