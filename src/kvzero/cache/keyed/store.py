"""The keyed store: contexts found by a hash of what they stand for, over pools that may forget them."""

from collections.abc import Sequence
from functools import partial
from time import perf_counter

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.cache.keyed.keys import NO_ACTION
from kvzero.cache.keyed.search import KeyedContexts, KeyedParts, KeyedRoots
from kvzero.cache.keyed.windows import new_contexts, open_window
from kvzero.cache.ledger import RootLedger
from kvzero.cache.pools import ContextBatch, LevelStats
from kvzero.cache.store import SearchContexts, Window, as_index

__all__ = ["KeyedStore"]


class KeyedStore:
    """Keeps each context as one entry under a key: roots per environment, nodes in a pool that all environments share.

    Reading a node is a look-up by its key and a copy of its whole context; writing one is a hash and another copy. A
    context that a pool has evicted is made anew exactly, from its nearest ancestor that is still held and the actions
    and latents in between, which the search keeps; the miss and the seconds are counted. A root that is gone is stale,
    so that the one who observes rebuilds it.

    When a search begins, the nodes of the one before are cleared rather than left to be evicted: their keys lead to
    another root, so that they could never be hit again; memory is the pool's anyway; and evictions then count only
    what a search lost because its pool was too small.
    """

    def __init__(self, parts: KeyedParts, *, num_envs: int) -> None:
        """Serve environments whose roots are all empty."""
        self.layout = parts.layout
        self.num_envs = num_envs
        self.levels = parts.levels
        self._parts = parts
        self._ledger = RootLedger(num_envs)
        self._root_keys = [0] * num_envs
        self._asked_at = 0.0  # when somebody last asked for roots, to rebuild those that are stale
        self._lost: dict[int, int] = {}  # environments whose roots a pool lost, and the weights that made them

    @property
    def nbytes(self) -> int:
        """Bytes of all pools."""
        return self.levels.nbytes

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""
        return self._ledger.lengths(envs)

    def reset(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Forget the roots of these environments: their next observation begins an episode."""
        self._ledger.forget(envs)
        for env in envs.tolist():
            self.levels.clear_roots(env)
            self._lost.pop(env, None)

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> bool:
        """Tell whether any of these roots was made by other weights, or is no longer held, which counts as a miss."""
        self._notice_lost(envs, version)
        return bool(self._ledger.is_stale(envs, version).any())

    def read_roots(self, envs: Int[np.ndarray, " batch"], version: int) -> Window:
        """Return the root contexts with room for the next action and latent token."""
        self._notice_lost(envs, version)
        self._ledger.refuse_stale(envs, version)
        contexts = self._parts.allocate(len(envs))
        has_root = self._ledger.has_root(envs)
        begun = np.flatnonzero(has_root)
        if begun.size == len(envs):
            self._read_roots_into(contexts, envs)
        elif begun.size:
            some = self._parts.allocate(len(begun))
            self._read_roots_into(some, envs[begun])
            contexts.put(as_index(begun, self._parts.device), some)
            contexts.sizes[begun] = some.sizes
        return open_window(self.layout, contexts, is_begun=has_root)

    def extend_roots(
        self, envs: Int[np.ndarray, " batch"], version: int, *, latents: Float[Tensor, "batch embed"], window: Window
    ) -> None:
        """Append to each root the two tokens that its window gained."""
        keys = self._follow_roots(envs, latents)
        lengths = self._ledger.lengths(envs) + 2
        self._keep_roots(envs, version, lengths, keys, new_contexts(window, self.layout.held_tokens(lengths)))

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
        for env in envs[~self._ledger.is_made_by(envs, version)].tolist():
            self.levels.clear_roots(env)  # nothing that other weights made may ever be found again
        contexts = self._parts.allocate(len(envs))
        number = min(keys_values.shape[1], self.layout.context_tokens)
        contexts.keys_values[:, -number:] = keys_values[:, -number:]
        if contexts.tokens is not None and tokens is not None:
            contexts.tokens[:, -number:] = tokens[:, -number:]
        contexts.sizes[:] = self.layout.held_tokens(lengths).clip(max=number)
        keys = self._begin_keys(envs, latents)
        self._keep_roots(envs, version, lengths, keys, contexts)
        self._count_rebuilt(envs.tolist(), version)

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> SearchContexts:
        """Open a search below the roots of these environments; any search opened before is over."""
        self._notice_lost(envs, version)
        search = self._ledger.begin_search(envs, version)
        self.levels.clear_nodes()
        roots = KeyedRoots(envs.tolist(), [self._root_keys[env] for env in envs.tolist()], self._ledger.lengths(envs))
        return KeyedContexts(self._parts, roots, refuse_over=partial(self._ledger.refuse_over, search))

    def block_table(self, env: int) -> None:
        """Return nothing: a context is one entry, found by its key."""

    def stats(self) -> LevelStats | None:
        """Return what the pools have done so far; None where statistics are off."""
        return self.levels.stats()

    def figures(self) -> dict[str, float]:
        """Return what the pools count, see `LevelStats.figures`; nothing where statistics are off."""
        stats = self.stats()
        return {} if stats is None else stats.figures()

    def _read_roots_into(self, contexts: ContextBatch, envs: Int[np.ndarray, " batch"]) -> None:
        self.levels.read(envs.tolist(), [self._root_keys[env] for env in envs.tolist()], contexts)

    def _begin_keys(self, envs: Int[np.ndarray, " batch"], latents: Float[Tensor, "batch embed"]) -> list[int]:
        return self._parts.keys.begin(envs.tolist(), self._parts.weights, latents)

    def _follow_roots(self, envs: Int[np.ndarray, " batch"], latents: Float[Tensor, "batch embed"]) -> list[int]:
        """Return the keys of roots that are one step longer, or the first of their episode."""
        parents = [self._root_keys[env] for env in envs.tolist()]
        keys = self._parts.keys.follow(parents, [NO_ACTION] * len(parents), latents)
        first = np.flatnonzero(~self._ledger.has_root(envs))
        if first.size:
            begun = self._begin_keys(envs[first], latents[first.tolist()])
            for row, key in zip(first.tolist(), begun, strict=True):
                keys[row] = key
        return keys

    def _keep_roots(
        self,
        envs: Int[np.ndarray, " batch"],
        version: int,
        lengths: Int[np.ndarray, " batch"],
        keys: Sequence[int],
        contexts: ContextBatch,
    ) -> None:
        names = envs.tolist()
        self.levels.write_roots(names, keys, contexts)
        for env, key in zip(names, keys, strict=True):
            self._root_keys[env] = key
        self._ledger.record(envs, version, lengths)

    def _count_rebuilt(self, envs: Sequence[int], version: int) -> None:
        """Count, of the time that rebuilding took, the share of each root that was lost; others were due anyway."""
        seconds = perf_counter() - self._asked_at
        for env in envs:
            if self._lost.pop(env, None) == version:
                self.levels.count_rebuilt_root(env, seconds / len(envs))

    def _notice_lost(self, envs: Int[np.ndarray, " batch"], version: int) -> None:
        """Find out which roots a pool has lost: each counts as a miss, once, and is stale from now on."""
        self._asked_at = perf_counter()
        is_fresh = self._ledger.has_root(envs) & self._ledger.is_made_by(envs, version)
        for env in envs[is_fresh].tolist():
            if not self.levels.holds(env, self._root_keys[env]):
                self.levels.count_lost_root(env)
                self._ledger.lose(env)
                self._lost[env] = version
