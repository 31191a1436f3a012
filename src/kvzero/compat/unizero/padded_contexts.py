"""The contexts that a `WorldModel` works on: private copies, side by side while tokens are passed, then apart again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kvzero.cache import NO_ACTION, ContextBatch, ContextLayout, Keys, KeysValues, Window, hash_state, held_places

__all__ = ["NO_TOKENS", "ContextRows", "Handle", "PaddedContexts"]

NO_TOKENS = -1
"""Length of an episode that has not begun: one token less than none, for its first latent is no reply to an action."""


class Handle(NamedTuple):
    """What a context is found by."""

    key: int
    """Key of the context in the caches."""

    length: int
    """Tokens of the episode and the path below it up to here, those that have left the context included; -1 where an
    episode has not begun."""

    latent: int
    """Hash of the newest latent, to notice when another one is passed for it."""


@dataclass(frozen=True, slots=True)
class ContextRows:
    """One context for each of some environments, in the order of a batch."""

    envs: list[int]
    """Environment of each row."""

    handles: list[Handle]
    """What each context is found by."""

    batch: ContextBatch
    """The contexts, which nobody else writes to."""

    @property
    def contexts(self) -> list[KeysValues]:
        """Each context by itself; it shares memory with the batch."""
        return [self.batch.row(row) for row in range(len(self.envs))]


class PaddedContexts:
    """Contexts side by side in one window, padded on the left and masked, with room for two tokens each."""

    def __init__(self, rows: ContextRows, layout: ContextLayout) -> None:
        """Copy the rows into a window."""
        self.rows = rows
        self._layout = layout
        self._actions: list[int] = []
        self._num_new = 0
        is_held = held_places(layout, rows.batch.sizes)
        self._is_valid = torch.from_numpy(np.pad(is_held, ((0, 0), (0, 2)))).to(rows.batch.keys_values.device)
        tokens = rows.batch.tokens
        self.window = Window(
            _widen(rows.batch.keys_values, self._is_valid),
            self._is_valid,
            None if tokens is None else _widen(tokens, self._is_valid),
        )

    def trimmed(self) -> Window:
        """Return the part of the window that the longest context fills, without the room for new tokens."""
        places = self._layout.context_tokens
        part = slice(places - int(self.rows.batch.sizes.max()), places)
        tokens = self.window.tokens
        return Window(
            self.window.keys_values[:, part], self._is_valid[:, part], None if tokens is None else tokens[:, part]
        )

    def open(self, actions: Sequence[int]) -> Int[Tensor, "batch 2"]:
        """Make the room ready for an action and a latent token each, and return the positions of the two.

        A row whose action is `NO_ACTION` begins an episode: in the place of its action stays padding.
        """
        self._actions, self._num_new = list(actions), 2
        device = self._is_valid.device
        self._is_valid[:, -2] = torch.from_numpy(np.array(self._actions) != NO_ACTION).to(device)
        self._is_valid[:, -1] = True
        lengths = np.array([handle.length for handle in self.rows.handles])
        sizes = self.rows.batch.sizes
        first = np.where(sizes > 0, sizes, NO_TOKENS) if self._layout.is_sliding else lengths
        return torch.from_numpy((first[:, None] + np.array([0, 1])).clip(min=0)).to(device)

    def part(self, keys: Keys, latents: Float[Tensor, "batch embed"]) -> ContextRows:
        """Return the rows apart again, under the handles that the tokens which were passed give them.

        The contexts are views of the window.
        """
        handles = self.rows.handles
        if self._actions:
            followed = keys.follow([handle.key for handle in handles], self._actions, latents)
            handles = [
                Handle(key, old.length + 2, hash_state(latent))
                for key, old, latent in zip(followed, handles, latents, strict=True)
            ]
        part = slice(self._num_new, self._num_new + self._layout.context_tokens)
        sizes = self._is_valid[:, part].sum(1).cpu().numpy()
        tokens = self.window.tokens
        batch = ContextBatch(self.window.keys_values[:, part], sizes, None if tokens is None else tokens[:, part])
        return ContextRows(self.rows.envs, handles, batch)


def _widen(
    contexts: Float[Tensor, "batch place ..."], is_valid: Bool[Tensor, "batch slot"]
) -> Float[Tensor, "batch slot ..."]:
    """Return a copy of contexts, zeros where there is padding and in two more places."""
    joined = torch.cat([contexts, torch.zeros_like(contexts[:, :2])], dim=1)
    return joined.masked_fill(~is_valid.view(*is_valid.shape, *[1] * (joined.ndim - 2)), 0)
