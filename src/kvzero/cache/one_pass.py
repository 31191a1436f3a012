"""Contexts of searches that pass a node's latent token together with the tokens of all its actions."""

import torch
from jaxtyping import Int64
from torch import Tensor

from kvzero.cache.static_tree import StaticRows
from kvzero.cache.store import Window
from kvzero.cache.tree import TreeStore

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
        memory, layout = store.memory, store.layout
        device, context = memory.arena.device, layout.context_tokens
        num_actions = memory.tokens_per_node - 1
        self.rows = StaticRows(store, num_rows)
        self._memory = memory
        self._context = context
        with torch.inference_mode(mode=False):  # written to in every mode
            self._row = torch.zeros(num_rows, context, dtype=torch.int64, device=device)
            self._is_valid = torch.ones(num_rows, context + num_actions, dtype=torch.bool, device=device)
            self._keys_values = torch.zeros(
                num_rows, context + num_actions, *layout.token_shape, device=device, dtype=memory.arena.dtype
            )
            self._own_slots = (
                torch.arange(memory.num_slots - context, device=device).view(memory.num_nodes, -1) + context
            )
        self._window = Window(self._keys_values, self._is_valid)

    def read_roots(self) -> Window:
        """Return the roots' contexts, their latent tokens included, with room for the actions, until the next read."""
        return self._gather(self._memory.table.index_select(0, self.rows.table))

    def read(self, node: int, parents: Int64[Tensor, " row"], actions: Int64[Tensor, " row"]) -> Window:
        """Return the contexts of new nodes below these actions, with room for all their tokens, until the next read."""
        row, memory = self._row, self._memory
        row[:, :-2] = memory.table.index_select(0, self.rows.table + parents)[:, 2:]
        row[:, -2] = self._context + memory.tokens_per_node * parents + 1 + actions
        row[:, -1] = self._own_slots[node, 0]
        memory.table.index_copy_(0, self.rows.table + node, row)
        return self._gather(row)

    def write_roots(self) -> None:
        """Keep the tokens of the roots' actions."""
        self._scatter(self._own_slots[0, 1:])

    def write(self, node: int) -> None:
        """Keep the tokens that the window gained as those of `node`."""
        self._scatter(self._own_slots[node])

    def _gather(self, slots: Int64[Tensor, "row token"]) -> Window:
        """Fill the window; the place of a latent token that is still to come holds what was last there."""
        torch.ge(slots, 0, out=self._is_valid[:, : self._context])
        places = (slots.clamp(min=0) + self.rows.arena[:, None]).view(-1)
        keys_values = self._keys_values[:, : self._context]
        keys_values.copy_(self._memory.arena.index_select(0, places).view_as(keys_values))
        return self._window

    def _scatter(self, own_slots: Int64[Tensor, " token"]) -> None:
        places = (self.rows.arena[:, None] + own_slots).view(-1)
        self._memory.arena.index_copy_(0, places, self._keys_values[:, -len(own_slots) :].flatten(0, 1))
