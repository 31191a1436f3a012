"""One search in a keyed store: a look-up per node, and what it takes to make lost contexts anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.cache.keyed.keys import Keys, number_actions
from kvzero.cache.keyed.levels import MISSING, ContextLevels
from kvzero.cache.keyed.windows import allocate_contexts, held_places, new_contexts, open_window
from kvzero.cache.layout import ContextLayout
from kvzero.cache.pools import ContextBatch
from kvzero.cache.store import Regenerator, Window, as_index
from kvzero.errors import StaleContextError

__all__ = ["KeyedContexts", "KeyedParts", "KeyedRoots"]

ROOT = 0


@dataclass(frozen=True, slots=True)
class KeyedParts:
    """What a keyed store is made of."""

    layout: ContextLayout
    """Sizes of one context."""

    levels: ContextLevels
    """Where contexts live."""

    keys: Keys
    """How their keys are made."""

    weights: Callable[[], bytes]
    """Returns the digest of the weights that contexts are made with now; asked by the keys that begin with it."""

    regenerator: Regenerator
    """Who makes anew what the levels have lost."""

    device: torch.device
    """Where windows are made: the device of the levels and of the model."""

    dtype: torch.dtype
    """Number type of keys and values."""

    def allocate(self, number: int, *, extra_places: int = 0) -> ContextBatch:
        """Return empty contexts."""
        return allocate_contexts(self.layout, number, self.device, self.dtype, extra_places=extra_places)


@dataclass(frozen=True, slots=True)
class KeyedRoots:
    """What a search hangs below, one row per environment."""

    envs: list[int]
    keys: list[int]
    lengths: Int[np.ndarray, " batch"]
    """Tokens of each path, its root's latent included."""


@dataclass(frozen=True, slots=True)
class _Node:
    """What is remembered of one node of every tree: enough to find its context, or to make it anew."""

    keys: list[int]
    parents: list[int]
    depths: list[int]
    actions: Shaped[Tensor, "batch *action"] | None = None
    latents: Float[Tensor, "batch embed"] | None = None


class KeyedContexts:
    """The contexts of one search in a `KeyedStore`."""

    def __init__(self, parts: KeyedParts, roots: KeyedRoots, *, refuse_over: Callable[[], None]) -> None:
        """Open a search; `refuse_over` raises once it is over."""
        self._parts = parts
        self._roots = roots
        self._refuse_over = refuse_over
        num_envs, context = len(roots.envs), parts.layout.context_tokens
        nowhere = [MISSING] * num_envs
        self._nodes = {ROOT: _Node(roots.keys, nowhere, [0] * num_envs)}
        self._parents: list[int] = nowhere
        wide = parts.allocate(num_envs, extra_places=2)
        tokens = None if wide.tokens is None else wide.tokens[:, :context]
        self._wide = wide
        self._held = ContextBatch(wide.keys_values[:, :context], wide.sizes, tokens)
        self._is_valid = torch.ones(num_envs, context + 2, dtype=torch.bool, device=parts.device)

    def read(self, parents: Int[np.ndarray, " batch"]) -> Window:
        """Return the context of each environment's parent node, with room for the child's two tokens."""
        self._refuse_over()
        self._parents = parents.tolist()
        self._parts.levels.read(self._roots.envs, self._keys_of(self._parents), self._held)
        lost = np.flatnonzero(self._held.sizes == MISSING)
        if lost.size:
            self._regenerate(lost)
        return Window(self._wide.keys_values, self._mask(), self._wide.tokens)

    def write(
        self,
        node: int,
        *,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        window: Window,
    ) -> None:
        """Keep the whole context that the window ends with as that of `node`."""
        self._refuse_over()
        keys = self._parts.keys.follow(self._keys_of(self._parents), number_actions(actions), latents)
        depths = [self._nodes[parent].depths[row] + 1 for row, parent in enumerate(self._parents)]
        self._nodes[node] = _Node(keys, self._parents, depths, actions.clone(), latents.clone())
        self._parts.levels.write_nodes(keys, new_contexts(window, self._grown(self._held.sizes)))

    def _keys_of(self, nodes: Sequence[int]) -> list[int]:
        return [self._nodes[node].keys[row] for row, node in enumerate(nodes)]

    def _grown(self, sizes: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens contexts of these sizes hold after one more step."""
        return self._parts.layout.held_tokens(sizes + 2)

    def _mask(self) -> Bool[Tensor, "batch slot"] | None:
        """Return which places of the window hold a token; a window that slides writes into it."""
        layout, sizes = self._parts.layout, self._held.sizes
        if not layout.is_sliding and (sizes == layout.context_tokens).all():
            return None
        self._is_valid[:, :-2] = torch.from_numpy(held_places(layout, sizes)).to(self._parts.device, non_blocking=True)
        self._is_valid[:, -2:] = True
        return self._is_valid

    def _regenerate(self, lost: Int[np.ndarray, " row"]) -> None:
        """Make the contexts of these rows' parents anew, keep them, and put them into the window."""
        started = perf_counter()
        rows, levels = lost.tolist(), self._parts.levels
        envs = [self._roots.envs[row] for row in rows]
        ancestors, paths = zip(*(self._climb(row) for row in rows), strict=True)
        contexts = self._parts.allocate(len(rows))
        held_keys = [self._nodes[node].keys[row] for row, node in zip(rows, ancestors, strict=True)]
        levels.read(envs, held_keys, contexts, is_counted=False)
        for step in range(max(map(len, paths))):
            places = [place for place, path in enumerate(paths) if len(path) > step]
            nodes = [paths[place][step] for place in places]
            self._advance(contexts, places, [rows[place] for place in places], nodes)
        levels.write_nodes([self._nodes[self._parents[row]].keys[row] for row in rows], contexts)
        self._held.put(as_index(lost, self._parts.device), contexts)
        self._held.sizes[lost] = contexts.sizes
        levels.count_regeneration(perf_counter() - started)

    def _climb(self, row: int) -> tuple[int, list[int]]:
        """Return the nearest ancestor of a row's parent that is held, and the nodes from below it to the parent."""
        node, path = self._parents[row], []
        while not self._parts.levels.holds(self._roots.envs[row], self._nodes[node].keys[row]):
            if node == ROOT:
                raise StaleContextError(
                    f"the root of environment {self._roots.envs[row]} is no longer held, in the middle of a search; "
                    "clear pools between searches only"
                )
            path.append(node)
            node = self._nodes[node].parents[row]
        return node, path[::-1]

    def _advance(
        self, contexts: ContextBatch, places: Sequence[int], rows: Sequence[int], nodes: Sequence[int]
    ) -> None:
        """Lead the contexts in these places one step on, from the parents of these nodes to the nodes themselves."""
        index = as_index(np.array(places), self._parts.device)
        known = [(self._nodes[node], row) for node, row in zip(nodes, rows, strict=True)]
        depths = np.array([node.depths[row] for node, row in known])
        window = open_window(self._parts.layout, contexts.take(index, places))
        self._parts.regenerator.regenerate(
            window,
            actions=torch.stack([node.actions[row] for node, row in known if node.actions is not None]),
            latents=torch.stack([node.latents[row] for node, row in known if node.latents is not None]),
            lengths=self._roots.lengths[list(rows)] + 2 * (depths - 1),
        )
        sizes = self._grown(contexts.sizes[list(places)])
        contexts.put(index, new_contexts(window, sizes))
        contexts.sizes[list(places)] = sizes
