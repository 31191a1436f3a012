"""What happens to cached keys and values when a window of learned positions slides."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.cache import Window
from kvzero.model.config import WindowSlide
from kvzero.model.positions import LearnedPositions
from kvzero.model.transformer import Transformer

__all__ = ["slide_window"]


def slide_window(transformer: Transformer, window: Window, how: WindowSlide) -> None:
    """Drop the oldest observation and action where a context has reached `C - 1` tokens; the others move up by two.

    The window stays right-aligned and is changed in place. Rows whose context is shorter are left alone, and so is a
    window without raw tokens, whose positions do not move.
    """
    if window.tokens is None or window.is_valid is None:  # `C + 2` places are never all taken: there is a mask
        return
    num_kept = transformer.context_tokens - 3
    rows = (window.is_valid.sum(1) > num_kept + 1).nonzero()[:, 0]
    if not len(rows):
        return
    kept = slice(-num_kept, None)
    moved = SLIDES[how](transformer, window.tokens[rows, kept], window.keys_values[rows, kept])
    window.keys_values[rows, kept] = moved
    window.is_valid[rows, :-num_kept] = False


def _rebuild(
    transformer: Transformer,
    tokens: Float[Tensor, "batch token embed"],
    keys_values: Float[Tensor, "batch token layer 2 head head_dim"],
) -> Float[Tensor, "batch token layer 2 head head_dim"]:
    """Return keys and values computed afresh, as if nothing had come before these tokens."""
    del keys_values
    _, cache = transformer(tokens)
    return torch.stack(cache, dim=2)


def _shift(
    transformer: Transformer,
    tokens: Float[Tensor, "batch token embed"],
    keys_values: Float[Tensor, "batch token layer 2 head head_dim"],
) -> Float[Tensor, "batch token layer 2 head head_dim"]:
    """Return the old keys and values plus the difference of the projected position embeddings.

    It leaves out what normalisation, deeper layers and the tokens that went have to do with them.
    """
    embeddings = cast("LearnedPositions", transformer.positions).table.weight
    num_kept = tokens.shape[1]
    difference = embeddings[:num_kept] - embeddings[2 : num_kept + 2]  # [token, embed]
    projected = [
        functional.linear(difference, block.attention.project.weight[difference.shape[1] :])
        for block in transformer.layers
    ]
    return keys_values + torch.stack(projected, dim=1).view(keys_values.shape[1:])


SLIDES: dict[WindowSlide, Callable[[Transformer, Tensor, Tensor], Tensor]] = {"rebuild": _rebuild, "shift": _shift}
