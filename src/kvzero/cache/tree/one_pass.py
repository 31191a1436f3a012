"""Contexts of searches that pass a node's latent token together with the tokens of all its actions."""

import torch
from jaxtyping import Int64
from torch import Tensor

from kvzero.cache.store import Window
from kvzero.cache.tree.static import StaticRows, StaticWindow
from kvzero.cache.tree.store import TreeStore

__all__ = ["OnePassContexts"]


class OnePassContexts:
    """The contexts of one search after another, in which every node holds the tokens of all its actions.

    The store gives a node `1 + A` slots: its latent token, then one per action. All actions stand at the same token
    index, the one after the latent, and none is part of another's context; the child below an action continues with
    that one alone. Tensors stay where they are and indices are on the device, as in `StaticTreeContexts`.

    A window has `C` places for the newest tokens up to the node's latent token, oldest first, then `A` for the actions.
    """

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        """Make room for searches of up to `num_rows` environments."""
        self.rows = StaticRows(store, num_rows)
        memory, device, context = store.memory, store.memory.arena.device, store.layout.context_tokens
        self._table = memory.table
        self._window = StaticWindow(store, self.rows, num_new=memory.tokens_per_node - 1)
        with torch.inference_mode(mode=False):  # written to in every mode
            self._row = torch.zeros(num_rows, context, dtype=torch.int64, device=device)
            slots = torch.arange(context, memory.num_slots, device=device)
            self._own_slots = slots.view(memory.num_nodes, memory.tokens_per_node)
            self._own_actions = self._own_slots[:, 1:]

    def read_roots(self) -> Window:
        """Return the roots' contexts, their latent tokens included, with room for the actions, until the next read."""
        return self._window.gather(self._table.index_select(0, self.rows.table))

    def read(self, node: int, parents: Int64[Tensor, " row"], actions: Int64[Tensor, " row"]) -> Window:
        """Return the contexts of new nodes below these actions, with room for all their tokens, until the next read."""
        row = self._row
        row[:, :-2] = self._table.index_select(0, self.rows.table + parents)[:, 2:]
        row[:, -2] = self._own_actions[parents, actions]
        row[:, -1] = self._own_slots[node, 0]
        self._table.index_copy_(0, self.rows.table + node, row)
        return self._window.gather(row)

    def write_roots(self) -> None:
        """Keep the tokens of the roots' actions."""
        self._window.scatter(self._own_actions[0])

    def write(self, node: int) -> None:
        """Keep the tokens that the window gained as those of `node`."""
        self._window.scatter(self._own_slots[node])
