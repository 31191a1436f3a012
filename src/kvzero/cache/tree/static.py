"""Contexts of searches that run on the store's device from beginning to end, without a word from the host."""

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from kvzero.cache.store import Window
from kvzero.cache.tree.store import TreeStore

__all__ = ["StaticRows", "StaticTreeContexts", "StaticWindow"]


class StaticRows:
    """Which environments of a tree store the rows of one search after another stand for; the tensors never move.

    Rows that a search has no environment for are given one that it was not asked for; so that every row has slots of
    its own, there may be no more rows than the store has environments.
    """

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        """Make room for searches of up to `num_rows` environments."""
        self._store = store
        self._memory = store.memory
        device = store.memory.arena.device
        with torch.inference_mode(mode=False):  # written to in every mode
            self._staging = torch.zeros(4, num_rows, dtype=torch.int64, pin_memory=device.type == "cuda")
            self._given = torch.zeros(4, num_rows, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._given.shape[1]

    @property
    def lengths(self) -> Int64[Tensor, " row"]:
        """How many tokens the episode of each row has had."""
        return self._given[0]

    @property
    def envs(self) -> Int64[Tensor, " row"]:
        """The environment of each row."""
        return self._given[1]

    @property
    def arena(self) -> Int64[Tensor, " row"]:
        """Where the slots of each row begin in the store's arena."""
        return self._given[2]

    @property
    def table(self) -> Int64[Tensor, " row"]:
        """Where the nodes of each row begin in the store's block table."""
        return self._given[3]

    def latent_positions(self, depths: Int64[Tensor, " row"]) -> Int64[Tensor, " row"]:
        """Return the token indices of latents so many environment steps below the roots."""
        return self.lengths - 1 + 2 * depths

    def begin(self, envs: Int[np.ndarray, " env"], version: int) -> None:
        """Open a search below the roots of these environments, in the first rows; any opened before is over.

        Raises:
            StaleContextError: if a root was made by other weights, or there is none.
        """
        self._store.begin_in_place(envs, version)
        everyone = np.arange(len(self._memory.table) // self._memory.num_nodes)
        spare = np.setdiff1d(everyone, envs)
        rows = np.concatenate([envs, spare])[: len(self)]
        lengths = self._store.lengths(rows).clip(min=1)
        given = np.stack([lengths, rows, rows * self._memory.num_slots, rows * self._memory.num_nodes])
        self._staging.copy_(torch.from_numpy(given))
        self._given.copy_(self._staging, non_blocking=True)


class StaticWindow:
    """A window that never moves, filled from a store's arena and emptied into it.

    Its first `C` places are filled from the slots of a context, and the `num_new` others by the network; some of the
    former may be left to the network as well.
    """

    def __init__(self, store: TreeStore, rows: StaticRows, *, num_new: int) -> None:
        """Make room for the contexts of these rows."""
        layout, self._arena = store.layout, store.memory.arena
        num_places = layout.context_tokens + num_new
        with torch.inference_mode(mode=False):  # written to in every mode
            is_valid = torch.ones(len(rows), num_places, dtype=torch.bool, device=self._arena.device)
            keys_values = torch.zeros(
                len(rows), num_places, *layout.token_shape, device=self._arena.device, dtype=self._arena.dtype
            )
        self._rows = rows
        self._window = Window(keys_values, is_valid)
        self._keys_values = keys_values
        self._old = keys_values[:, : layout.context_tokens]
        self._is_old_valid = is_valid[:, : layout.context_tokens]

    def gather(self, slots: Int64[Tensor, "row token"]) -> Window:
        """Return the window, filled with what is in these slots; -1 is none."""
        torch.ge(slots, 0, out=self._is_old_valid)
        places = (slots.clamp(min=0) + self._rows.arena[:, None]).view(-1)
        self._old.copy_(self._arena.index_select(0, places).view_as(self._old))
        return self._window

    def scatter(self, slots: Int64[Tensor, " token"]) -> None:
        """Keep the last tokens of the window in these slots of every row."""
        places = (self._rows.arena[:, None] + slots).view(-1)
        self._arena.index_copy_(0, places, self._keys_values[:, -len(slots) :].flatten(0, 1))


class StaticTreeContexts:
    """The contexts of one search after another in a tree store, for a fixed number of environments.

    Unlike those of `TreeStore.begin_search` they are made once: `rows.begin` opens the next search, and `read` and
    `write` work on the same tensors every time, so that both can be recorded and replayed. Indices are tensors on the
    store's device.
    """

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        """Make room for searches of up to `num_rows` environments."""
        self.rows = StaticRows(store, num_rows)
        memory, device, context = store.memory, store.memory.arena.device, store.layout.context_tokens
        self._table = memory.table
        self._context = context
        self._window = StaticWindow(store, self.rows, num_new=2)
        with torch.inference_mode(mode=False):  # written to in every mode
            self._slots = torch.zeros(num_rows, context + 2, dtype=torch.int64, device=device)
            first = context + memory.tokens_per_node * torch.arange(memory.num_nodes, device=device)
            self._own_slots = torch.stack([first, first + 1], dim=1)

    def read(self, parents: Int64[Tensor, " row"]) -> Window:
        """Return the context of each row's parent node, with room for the child's two tokens; valid until the next."""
        slots = self._table.index_select(0, self.rows.table + parents)
        self._slots[:, : self._context] = slots
        return self._window.gather(slots)

    def write(self, node: int) -> None:
        """Keep the two tokens that the window gained as those of `node`."""
        self._slots[:, self._context :] = self._own_slots[node]
        self._table.index_copy_(0, self.rows.table + node, self._slots[:, 2:])
        self._window.scatter(self._own_slots[node])
