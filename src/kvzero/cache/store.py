"""The protocol that every context store serves, and the record in which contexts change hands."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

__all__ = ["BlockTable", "ContextStore", "Regenerator", "SearchContexts", "TreeMemory", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A private, writable stretch of `C` context tokens followed by the two tokens being added.

    The transformer writes the keys and values of the new tokens into the last two places as it goes; the store that
    made the window takes them from there.
    """

    keys_values: Float[Tensor, "batch slot layer 2 head head_dim"]
    """Keys and values, oldest token first; the slot axis has `C + 2` places."""

    is_valid: Bool[Tensor, "batch slot"] | None
    """Which places hold a token that may be attended to; None where all of them do."""

    tokens: Float[Tensor, "batch slot embed"] | None = None
    """The raw token embeddings at the same places; given where the layout is sliding, and only there."""


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """A tree store's own tensors, for code that reads and writes keys and values in place; see `TreeStore`."""

    arena: Float[Tensor, "env_slot layer 2 head head_dim"]
    """Slot `s` of environment `e` is row `e * num_slots + s`."""

    table: Int[Tensor, "env_node token"]
    """The slots of the context of node `n` of environment `e`, in row `e * num_nodes + n`; oldest first, -1 is none."""

    num_slots: int
    """Slots of each environment."""

    num_nodes: int
    """Nodes of each environment, the root included."""

    tokens_per_node: int
    """Slots that each node owns."""


@dataclass(frozen=True, slots=True)
class BlockTable:
    """Where the contexts of one environment's root and nodes lie, as a search left them; a copy."""

    slots: Int[np.ndarray, "node token"]
    """Slots of the keys and values that each node's latent token reads, its own included; oldest first, -1 is none."""

    num_slots: int
    """Slots of the environment: `C` of its root's ring, then those of the nodes."""

    tokens_per_node: int
    """Slots that each node owns: node `n` those from `C + tokens_per_node * n` on."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class SearchContexts(Protocol):
    """The contexts of one search: written once per node, read by the node's children.

    Every node is one `read` of its parent followed by one `write`.
    """

    def read(self, parents: Int[np.ndarray, " batch"]) -> Window:
        """Return the context of each environment's parent node, with room for the child's two tokens.

        The window is valid until the next `read`.

        Raises:
            StaleContextError: if the search is over.
        """

    def write(
        self,
        node: int,
        *,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        window: Window,
    ) -> None:
        """Keep the two tokens that the window gained as those of `node`."""


@runtime_checkable
class ContextStore(Protocol):
    """Keeps the keys and values of root contexts, per environment, and of the nodes of the search in progress.

    A search is over when another begins or a root changes; what it held cannot be read any more.
    """

    @property
    def num_envs(self) -> int:
        """Environments that have a root here."""

    @property
    def nbytes(self) -> int:
        """Bytes held for keys and values."""

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""

    def reset(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Forget the roots of these environments: their next observation begins an episode."""

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> bool:
        """Tell whether any of these roots was made by other weights than those of `version`, or is no longer held.

        The one who asks must rebuild them before they can be read.
        """

    def read_roots(self, envs: Int[np.ndarray, " batch"], version: int) -> Window:
        """Return the root contexts with room for the next action and latent token.

        Raises:
            StaleContextError: if a root was made by other weights.
        """

    def extend_roots(
        self, envs: Int[np.ndarray, " batch"], version: int, *, latents: Float[Tensor, "batch embed"], window: Window
    ) -> None:
        """Append to each root the two tokens that its window gained."""

    def replace_roots(
        self,
        envs: Int[np.ndarray, " batch"],
        version: int,
        *,
        lengths: Int[np.ndarray, " batch"],
        latents: Float[Tensor, "batch embed"],
        keys_values: Float[Tensor, "batch token layer 2 head head_dim"],
        tokens: Float[Tensor, "batch token embed"] | None = None,
    ) -> None:
        """Replace each root by the last `C` tokens of a fresh forward pass, newest last.

        Where the layout is sliding, these are the tokens that it keeps, at their new places, with their raw `tokens`.
        """

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> SearchContexts:
        """Open a search below the roots of these environments; any search opened before is over.

        Raises:
            StaleContextError: if a root was made by other weights.
        """

    def block_table(self, env: int) -> BlockTable | None:
        """Return where the last search below an environment's root had its contexts; None where they have no address.

        It holds until that root changes or the next search, below whichever roots: an engine may search below others
        than it was asked for, to fill its batch.
        """

    def figures(self) -> dict[str, float]:
        """Return what the store counts, by `<pool>/<figure>`, for a run's metrics; nothing where nothing is counted."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Regenerator(Protocol):
    """What a store that may lose the context of a node asks of a model: make it anew from what led to it."""

    def regenerate(
        self,
        window: Window,
        *,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        lengths: Int[np.ndarray, " batch"],
    ) -> None:
        """Pass a known action and the latent it led to against contexts of paths of `lengths` tokens.

        The window's last places are filled, and the window is slid where the layout is sliding, as in a search.
        """


def as_index(rows: Int[np.ndarray, "*shape"], device: torch.device) -> Int[Tensor, "*shape"]:
    """Return host indices as an index tensor on `device`."""
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64)).to(device, non_blocking=True)
