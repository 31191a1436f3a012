"""From stored contexts to windows with room for two tokens, and back."""

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kvzero.cache.layout import ContextLayout
from kvzero.cache.pools import ContextBatch
from kvzero.cache.store import Window

__all__ = ["allocate_contexts", "held_places", "new_contexts", "open_window"]


def allocate_contexts(
    layout: ContextLayout, number: int, device: torch.device, dtype: torch.dtype, *, extra_places: int = 0
) -> ContextBatch:
    """Return empty contexts; all numbers are 0, since what is masked in attention must still be finite."""
    places = layout.context_tokens + extra_places
    keys_values = torch.zeros(number, places, *layout.token_shape, device=device, dtype=dtype)
    tokens = torch.zeros(number, places, layout.embed_dim, device=device, dtype=dtype) if layout.is_sliding else None
    return ContextBatch(keys_values, np.zeros(number, np.int64), tokens)


def held_places(layout: ContextLayout, sizes: Int[np.ndarray, " batch"]) -> Bool[np.ndarray, "batch slot"]:
    """Tell which of its `C` places each context fills: the last ones."""
    places: np.ndarray = np.arange(layout.context_tokens) >= layout.context_tokens - sizes[:, None]
    return places


def open_window(
    layout: ContextLayout, contexts: ContextBatch, *, is_begun: Bool[np.ndarray, " batch"] | None = None
) -> Window:
    """Return a window of its own over a copy of contexts, followed by room for an action and a latent token.

    Where an episode has not begun, the place of the action that would have led to its first observation is invalid.
    """
    device, dtype = contexts.keys_values.device, contexts.keys_values.dtype
    wide = allocate_contexts(layout, len(contexts.sizes), device, dtype, extra_places=2)
    wide.keys_values[:, :-2] = contexts.keys_values
    if wide.tokens is not None and contexts.tokens is not None:
        wide.tokens[:, :-2] = contexts.tokens
    is_valid = np.pad(held_places(layout, contexts.sizes), ((0, 0), (0, 2)), constant_values=True)
    if is_begun is not None:
        is_valid[:, -2] = is_begun
    mask: Tensor | None = None
    if layout.is_sliding or not is_valid.all():
        mask = torch.from_numpy(is_valid).to(device, non_blocking=True)
    return Window(wide.keys_values, mask, wide.tokens)


def new_contexts(window: Window, sizes: Int[np.ndarray, " batch"]) -> ContextBatch:
    """Return the contexts that a filled window ends with; they share its memory."""
    tokens = None if window.tokens is None else window.tokens[:, 2:]
    return ContextBatch(window.keys_values[:, 2:], sizes, tokens)
