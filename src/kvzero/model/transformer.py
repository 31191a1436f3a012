"""The transformer: whole sequences under a band mask, or new tokens against a cached window."""

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kvzero.cache import Window
from kvzero.model.config import INIT_STD, ModelConfig
from kvzero.model.dropout import NO_DROPOUT, Dropout, drop
from kvzero.model.positions import build_positions, rotate

__all__ = ["Transformer", "band_mask"]

EVERY_TOKEN = slice(None)


def band_mask(num_tokens: int, context_tokens: int, *, device: torch.device) -> Bool[Tensor, "token token"]:
    """Return the one rule for context: token `i` attends to tokens `j` with `0 <= i - j < context_tokens`."""
    index = torch.arange(num_tokens, device=device)
    distance = index[:, None] - index[None, :]
    return (distance >= 0) & (distance < context_tokens)


class Attention(nn.Module):
    """Multi-head attention whose queries and keys are turned by a rotation of their position."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.project = nn.Linear(embed_dim, 3 * embed_dim)
        self.merge = nn.Linear(embed_dim, embed_dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch token embed"],
        rotation: Float[Tensor, "#batch token 2 head_dim"],
        mask: Bool[Tensor, "#batch 1 token token"],
        read: slice,
        dropout: Dropout,
    ) -> tuple[Float[Tensor, "batch read embed"], Float[Tensor, "batch token 2 head head_dim"]]:
        """Let the tokens in `read` attend to a whole sequence; also return the keys and values of all of it."""
        query, key, value = self._query_key_value(tokens, rotation)
        mixed = self._attend(query[:, read], key, value, mask[:, :, read], dropout.attention)
        return mixed, torch.stack([key, value], dim=2)

    def extend(
        self,
        tokens: Float[Tensor, "batch token embed"],
        rotation: Float[Tensor, "batch token 2 head_dim"],
        window: Float[Tensor, "batch slot 2 head head_dim"],
        mask: Bool[Tensor, "#batch 1 token slot"] | None,
    ) -> Float[Tensor, "batch token embed"]:
        """Write the new tokens' keys and values into the last places of `window`, then attend to all of it."""
        query, key, value = self._query_key_value(tokens, rotation)
        new = window[:, -tokens.shape[1] :]
        new[:, :, 0] = key
        new[:, :, 1] = value
        return self._attend(query, window[:, :, 0], window[:, :, 1], mask)

    def _query_key_value(
        self, tokens: Float[Tensor, "batch token embed"], rotation: Float[Tensor, "#batch token 2 head_dim"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        projected = self.project(tokens).unflatten(-1, (3, self.num_heads, -1))  # [batch, token, 3, head, head_dim]
        turned = rotate(projected[:, :, :2], rotation)
        return turned[:, :, 0], turned[:, :, 1], projected[:, :, 2]

    def _attend(
        self,
        query: Float[Tensor, "batch token head head_dim"],
        key: Float[Tensor, "batch slot head head_dim"],
        value: Float[Tensor, "batch slot head head_dim"],
        mask: Bool[Tensor, "#batch 1 token slot"] | None,
        dropped: float = 0.0,
    ) -> Float[Tensor, "batch token embed"]:
        mixed = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask, dropout_p=dropped
        )
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))
        return merged


class Block(nn.Module):
    """One pre-LN layer: attention, then an MLP four times as wide with the tanh form of GELU (as GPT-2's)."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = Attention(embed_dim, num_heads)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(approximate="tanh"), nn.Linear(4 * embed_dim, embed_dim)
        )

    def forward(
        self, tokens: Tensor, rotation: Tensor, mask: Tensor, read: slice, dropout: Dropout
    ) -> tuple[Float[Tensor, "batch read embed"], Float[Tensor, "batch token 2 head head_dim"]]:
        """Pass the tokens in `read` of a whole sequence; also return the keys and values of all of it."""
        mixed, keys_values = self.attention(self.attention_norm(tokens), rotation, mask, read, dropout)
        tokens = tokens[:, read] + drop(mixed, dropout.residual)
        return tokens + drop(self.mlp(self.mlp_norm(tokens)), dropout.residual), keys_values

    def extend(
        self, tokens: Tensor, rotation: Tensor, window: Tensor, mask: Tensor | None
    ) -> Float[Tensor, "batch token embed"]:
        """Pass new tokens against one layer's cached window."""
        tokens = tokens + self.attention.extend(self.attention_norm(tokens), rotation, window, mask)
        extended: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return extended


class Transformer(nn.Module):
    """A stack of blocks under the band mask; the incremental pass gives what the whole-sequence pass gives."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.context_tokens = config.context_tokens
        self.positions = build_positions(config)
        self.blocks = nn.ModuleList(Block(config.embed_dim, config.num_heads) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.embed_dim)
        self.apply(_initialise)

    def forward(
        self,
        tokens: Float[Tensor, "batch token embed"],
        positions: Int[Tensor, "#batch token"] | None = None,
        *,
        is_valid: Bool[Tensor, "batch token"] | None = None,
        read: slice = EVERY_TOKEN,
        dropout: Dropout = NO_DROPOUT,
    ) -> tuple[Float[Tensor, "batch read embed"], list[Float[Tensor, "batch token 2 head head_dim"]]]:
        """Pass whole sequences: return the outputs of the tokens in `read`, and per layer all keys and values.

        `positions` are token indices, counted from 0 by default; given ones must have been reserved. Tokens that are
        not valid are padding: nothing attends to them but they themselves. What is not read is not computed where
        nothing else depends on it, which is after the last layer's keys and values. `dropout` is for training alone.
        """
        num_tokens = tokens.shape[1]
        if positions is None:
            self.positions.reserve(num_tokens)
            positions = torch.arange(num_tokens, device=tokens.device)[None]
        rotation = self.positions(positions)
        tokens = drop(self.positions.embed(tokens, positions), dropout.embedding)
        mask = band_mask(num_tokens, self.context_tokens, device=tokens.device)[None, None]
        if is_valid is not None:
            mask = mask & is_valid[:, None, None, :] | torch.eye(num_tokens, dtype=torch.bool, device=tokens.device)
        cache = []
        for layer, block in enumerate(self.layers, start=1):
            needed = read if layer == len(self.blocks) else EVERY_TOKEN
            tokens, keys_values = block(tokens, rotation, mask, needed, dropout)
            cache.append(keys_values)
        return self.final_norm(tokens), cache

    def extend(
        self,
        tokens: Float[Tensor, "batch token embed"],
        positions: Int[Tensor, "batch token"],
        window: Window,
        *,
        end: int,
    ) -> Float[Tensor, "batch token embed"]:
        """Pass one or two new tokens, whose places in `window` end before place `end`; fill those places.

        `positions` are token indices that have been reserved.
        """
        num_new = tokens.shape[1]
        visible = slice(end - num_new - self.context_tokens + 1, end)
        mask = self._window_mask(window, visible, num_new)
        rotation = self.positions(positions)
        if window.tokens is not None:
            window.tokens[:, end - num_new : end] = tokens
        tokens = self.positions.embed(tokens, positions)
        for layer, block in enumerate(self.layers):
            tokens = block.extend(tokens, rotation, window.keys_values[:, visible, layer], mask)
        extended: Tensor = self.final_norm(tokens)
        return extended

    @property
    def layers(self) -> list[Block]:
        """The blocks, first one first."""
        return cast("list[Block]", list(self.blocks))

    def _window_mask(self, window: Window, visible: slice, num_new: int) -> Bool[Tensor, "#batch 1 token slot"] | None:
        if num_new == 1:
            return None if window.is_valid is None else window.is_valid[:, None, None, visible]
        num_visible = self.context_tokens + num_new - 1
        device = window.keys_values.device
        mask = band_mask(num_visible, self.context_tokens, device=device)[None, None, -num_new:]
        if window.is_valid is None:
            return mask
        itself = torch.eye(num_visible, dtype=torch.bool, device=device)[-num_new:]
        return mask & window.is_valid[:, None, None, visible] | itself


def _initialise(module: nn.Module) -> None:
    """Draw linear weights from N(0, 0.02) as GPT-2 does, and start biases at zero."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=INIT_STD)
        nn.init.zeros_(module.bias)
