"""Contexts in the shape in which pools keep them: one, or a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.cache.layout import ContextLayout
from kvzero.errors import CacheError

__all__ = ["ContextBatch", "KeysValues", "check_context"]


@dataclass(frozen=True, slots=True, eq=False)
class KeysValues:
    """One context: the keys and values of its newest tokens, oldest first, in the last `size` of `C` places."""

    keys_values: Float[Tensor, "slot layer 2 head head_dim"]
    """Keys and values; what stands in the places before the last `size` is padding and means nothing."""

    size: int
    """Tokens held."""

    tokens: Float[Tensor, "slot embed"] | None = None
    """The raw token embeddings at the same places; given where the layout is sliding, and only there."""

    def __post_init__(self) -> None:
        num_places = self.keys_values.shape[0]
        if not 0 <= self.size <= num_places:
            raise CacheError(f"a context of {self.size} tokens does not fit a window of {num_places}; slide it first")

    def clone(self) -> "KeysValues":
        """Return a copy that shares no memory with this, and remembers no gradients."""
        tokens = None if self.tokens is None else self.tokens.detach().clone()
        return KeysValues(self.keys_values.detach().clone(), self.size, tokens)


@dataclass(frozen=True, slots=True, eq=False)
class ContextBatch:
    """Several contexts side by side, each as in `KeysValues`."""

    keys_values: Float[Tensor, "batch slot layer 2 head head_dim"]
    """Keys and values."""

    sizes: Int[np.ndarray, " batch"]
    """Tokens held by each."""

    tokens: Float[Tensor, "batch slot embed"] | None = None
    """Raw token embeddings, where the layout is sliding."""

    def row(self, row: int) -> KeysValues:
        """Return one of the contexts; it shares memory with the batch."""
        tokens = None if self.tokens is None else self.tokens[row]
        return KeysValues(self.keys_values[row], int(self.sizes[row]), tokens)

    def take(self, index: Int[Tensor, " row"], rows: Sequence[int]) -> "ContextBatch":
        """Return copies of some of the contexts; the rows are given for the device and for the host."""
        tokens = None if self.tokens is None else self.tokens[index]
        return ContextBatch(self.keys_values[index], self.sizes[list(rows)], tokens)

    def put(self, index: Int[Tensor, " row"], contexts: "ContextBatch") -> None:
        """Copy contexts into these rows; sizes are left to the caller."""
        self.keys_values[index] = contexts.keys_values
        if self.tokens is not None and contexts.tokens is not None:
            self.tokens[index] = contexts.tokens


def check_context(
    context: object, name: str, *, layout: ContextLayout, dtype: torch.dtype, device: torch.device
) -> None:
    """Refuse what cannot be kept as a context of this layout, number type and device; `name` says by whom.

    Raises:
        CacheError: with what it is, and what was wanted.
    """
    if not isinstance(context, KeysValues):
        raise CacheError(f"{name} was given a {type(context).__name__} to keep; give KeysValues(keys_values, size)")
    found, tokens = context.keys_values, context.tokens
    if (tuple(found.shape), found.dtype, found.device) != (layout.context_shape, dtype, device):
        raise CacheError(
            f"{name} keeps contexts of shape {layout.context_shape}, {dtype} on {device}; "
            f"this one has shape {tuple(found.shape)}, {found.dtype} on {found.device}"
        )
    if (tokens is None) == layout.is_sliding:
        raise CacheError(f"{name} keeps raw tokens with a context if, and only if, its layout is sliding")
    wanted = (layout.context_tokens, layout.embed_dim)
    if tokens is not None and tuple(tokens.shape) != wanted:
        raise CacheError(f"{name} keeps raw tokens of shape {wanted}; these have shape {tuple(tokens.shape)}")
