"""The protocol that every context store serves, and the record in which contexts change hands."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

__all__ = ["ContextStore", "SearchContexts", "Window"]


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
    def nbytes(self) -> int:
        """Bytes held for keys and values."""

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""

    def reset(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Forget the roots of these environments: their next observation begins an episode."""

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> bool:
        """Tell whether any of these roots was made by other weights than those of `version`."""

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
    ) -> None:
        """Replace each root by the last `C` tokens of a fresh forward pass, newest last."""

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> SearchContexts:
        """Open a search below the roots of these environments; any search opened before is over.

        Raises:
            StaleContextError: if a root was made by other weights.
        """


def as_index(rows: Int[np.ndarray, "*shape"], device: torch.device) -> Int[Tensor, "*shape"]:
    """Return host indices as an index tensor on `device`."""
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64)).to(device, non_blocking=True)
