"""The tree store: a node of the search tree is the address of its keys and values."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.cache.layout import ContextLayout
from kvzero.cache.ledger import RootLedger
from kvzero.cache.store import BlockTable, SearchContexts, TreeMemory, Window, as_index
from kvzero.errors import ConfigError

__all__ = ["TreeStore"]


class TreeStore:
    """Keys and values of roots and search nodes in one preallocated arena.

    The arena is `[env, slot, layer, 2, head, head_dim]`. The first `C` slots of an environment are the ring of its
    root: token `i` of the episode lives in slot `i mod C`. Node `n` of a search owns the `T` slots from `C + T n` on.
    With `T = 2` they hold its action token and its latent token; `OnePassContexts` puts all actions there. A node's row
    of the block table lists the slots of its `C` context tokens, oldest first: its parent's row shifted by two, then
    the action that led here and its latent. Nothing is hashed, copied per node or evicted.

    Memory per environment is `(C + T(S + 1)) * 2 * L * E` numbers for `S` simulations.
    """

    def __init__(
        self,
        layout: ContextLayout,
        *,
        num_envs: int,
        num_simulations: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        tokens_per_node: int = 2,
    ) -> None:
        """Allocate the arena; `tokens_per_node` is `T`.

        Raises:
            ConfigError: if a count is not positive, or the layout is sliding: where a token moves to another index, an
                address is no longer all that there is to know of it.
        """
        if layout.is_sliding:
            raise ConfigError(
                "a tree store cannot hold windows that slide (learned positions); choose store=pooled or store=legacy"
            )
        if num_envs < 1 or num_simulations < 1:
            raise ConfigError(
                f"a tree store was asked for with num_envs={num_envs} and num_simulations={num_simulations}; "
                "give at least 1 of each"
            )
        self.layout = layout
        self.num_envs = num_envs
        self._num_slots = layout.context_tokens + tokens_per_node * (num_simulations + 1)
        self._num_nodes = num_simulations + 1
        self._ledger = RootLedger(num_envs)
        with torch.inference_mode(mode=False):
            self._arena = torch.zeros(num_envs * self._num_slots, *layout.token_shape, device=device, dtype=dtype)
            self._table = torch.full((num_envs * self._num_nodes, layout.context_tokens), -1, device=device)
        self.memory = TreeMemory(self._arena, self._table, self._num_slots, self._num_nodes, tokens_per_node)

    @property
    def nbytes(self) -> int:
        """Bytes of the arena."""
        return self._arena.nbytes

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""
        return self._ledger.lengths(envs)

    def reset(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Forget the roots of these environments: their next observation begins an episode."""
        self._ledger.forget(envs)

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> bool:
        """Tell whether any of these roots was made by other weights than those of `version`."""
        return bool(self._ledger.is_stale(envs, version).any())

    def read_roots(self, envs: Int[np.ndarray, " batch"], version: int) -> Window:
        """Return the root contexts with room for the next action and latent token."""
        self._ledger.refuse_stale(envs, version)
        tokens = np.arange(-self.layout.context_tokens, 2) + self._ledger.lengths(envs)[:, None]
        is_valid = tokens >= 0
        slots = envs[:, None] * self._num_slots + tokens % self.layout.context_tokens
        keys_values = self._arena[as_index(slots, self._arena.device)]
        return Window(keys_values, None if is_valid.all() else as_mask(is_valid, self._arena.device))

    def extend_roots(
        self, envs: Int[np.ndarray, " batch"], version: int, *, latents: Float[Tensor, "batch embed"], window: Window
    ) -> None:
        """Append to each root the two tokens that its window gained."""
        del latents  # an address needs no key
        self._put_newest(envs, version, self._ledger.lengths(envs) + 2, window.keys_values[:, -2:])

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
        """Replace each root by the last `C` tokens of a fresh forward pass, newest last."""
        del latents, tokens  # an address needs no key, and a layout that slides was refused
        self._put_newest(envs, version, lengths, keys_values[:, -self.layout.context_tokens :])

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> SearchContexts:
        """Open a search below the roots of these environments; any search opened before is over."""
        return _TreeContexts(self, envs, self.begin_in_place(envs, version))

    def block_table(self, env: int) -> BlockTable:
        """Return where the last search below an environment's root had its contexts."""
        rows = self._table[env * self._num_nodes : (env + 1) * self._num_nodes]
        return BlockTable(rows.numpy(force=True).copy(), self._num_slots, self.memory.tokens_per_node)

    def figures(self) -> dict[str, float]:
        """Return nothing: what has an address cannot be missed."""
        return {}

    def begin_in_place(self, envs: Int[np.ndarray, " batch"], version: int) -> int:
        """Begin a search that reads and writes `memory` itself: the block table has the roots' rows afterwards.

        Returns:
            The search's number in the ledger.

        Raises:
            StaleContextError: if a root was made by other weights, or there is none.
        """
        search = self._ledger.begin_search(envs, version)
        context = self.layout.context_tokens
        tokens = np.arange(-context, 0) + self._ledger.lengths(envs)[:, None]
        rows = as_index(envs * self._num_nodes, self._table.device)
        self._table[rows] = as_index(np.where(tokens < 0, -1, tokens % context), self._table.device)
        return search

    def extend_in_place(self, envs: Int[np.ndarray, " batch"], version: int) -> Int[np.ndarray, " batch"]:
        """Count two tokens more at each root, which the caller writes into `memory`; return the lengths before.

        Token `i` belongs into slot `i mod C`; a root without tokens has length -1, and its token -1 is of no use.

        Raises:
            StaleContextError: if a root was made by other weights.
        """
        self._ledger.refuse_stale(envs, version)
        lengths = self._ledger.lengths(envs)
        self._ledger.record(envs, version, lengths + 2)
        return lengths

    def _put_newest(
        self,
        envs: Int[np.ndarray, " batch"],
        version: int,
        lengths: Int[np.ndarray, " batch"],
        keys_values: Float[Tensor, "batch token layer 2 head head_dim"],
    ) -> None:
        tokens = np.arange(-keys_values.shape[1], 0) + lengths[:, None]
        slots = envs[:, None] * self._num_slots + tokens % self.layout.context_tokens
        self._arena[as_index(slots, self._arena.device)] = keys_values
        self._ledger.record(envs, version, lengths)


def as_mask(is_valid: Bool[np.ndarray, "*shape"], device: torch.device) -> Bool[Tensor, "*shape"]:
    """Return a host mask as a tensor on `device`."""
    return torch.from_numpy(is_valid).to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where the batch rows of a search live in the flattened arena and block table."""

    arena: Int[Tensor, "batch 1"]
    table: Int[Tensor, " batch"]


class _TreeContexts:
    """The contexts of one search in a `TreeStore`."""

    def __init__(self, store: TreeStore, envs: Int[np.ndarray, " batch"], search: int) -> None:
        self._store = store
        self._search = search
        device = store._arena.device
        envs_on_device = as_index(envs, device)
        self._rows = _Rows(envs_on_device[:, None] * store._num_slots, envs_on_device * store._num_nodes)
        context = store.layout.context_tokens
        self._is_ragged = bool((store.lengths(envs) < context).any())
        first = context + store.memory.tokens_per_node * torch.arange(store._num_nodes, device=device)
        self._own_slots = torch.stack([first, first + 1], dim=1)
        self._slots = torch.zeros(len(envs), context + 2, dtype=torch.int64, device=device)
        self._is_valid = torch.ones(len(envs), context + 2, dtype=torch.bool, device=device)
        self._keys_values = torch.empty(
            len(envs), context + 2, *store.layout.token_shape, device=device, dtype=store._arena.dtype
        )
        self._window = Window(self._keys_values, self._is_valid if self._is_ragged else None)
        self._old = self._slots[:, :context], self._keys_values[:, :context]
        self._new = self._slots[:, context:], self._keys_values[:, context:]

    def read(self, parents: Int[np.ndarray, " batch"]) -> Window:
        """Return the context of each environment's parent node, with room for the child's two tokens."""
        store, (old_slots, old_keys_values) = self._store, self._old
        self._store._ledger.refuse_over(self._search)
        rows = store._table.index_select(0, self._rows.table + as_index(parents, self._slots.device))
        old_slots.copy_(rows)
        if self._is_ragged:
            torch.ge(rows, 0, out=self._is_valid[:, : rows.shape[1]])
            rows = rows.clamp(min=0)
        slots = (rows + self._rows.arena).view(-1)
        old_keys_values.copy_(store._arena.index_select(0, slots).view_as(old_keys_values))
        return self._window

    def write(
        self,
        node: int,
        *,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        window: Window,
    ) -> None:
        """Keep the two tokens that the window gained as those of `node`."""
        del actions, latents, window  # an address needs no key, and the window is the one that `read` made
        self._store._ledger.refuse_over(self._search)
        own_slots = self._own_slots[node]
        new_slots, new_keys_values = self._new
        new_slots.copy_(own_slots)
        self._store._table.index_copy_(0, self._rows.table + node, self._slots[:, 2:])
        self._store._arena.index_copy_(0, (self._rows.arena + own_slots).view(-1), new_keys_values.flatten(0, 1))
