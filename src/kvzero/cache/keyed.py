"""The keyed store: contexts found by a hash of what they stand for, over pools that may forget them."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.cache.keyed_search import KeyedContexts, Parts, Roots
from kvzero.cache.keys import NO_ACTION
from kvzero.cache.keys_values import ContextBatch
from kvzero.cache.stats import LevelStats
from kvzero.cache.store import BEFORE_FIRST_TOKEN, NO_VERSION, SEARCH_OVER, SearchContexts, Window, as_index
from kvzero.cache.windows import new_contexts, open_window
from kvzero.errors import StaleContextError

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

    def __init__(self, parts: Parts, *, num_envs: int) -> None:
        """Serve environments whose roots are all empty."""
        self.layout = parts.layout
        self.num_envs = num_envs
        self.levels = parts.levels
        self._parts = parts
        self._lengths = np.full(num_envs, BEFORE_FIRST_TOKEN, np.int64)
        self._versions = np.full(num_envs, NO_VERSION, np.int64)
        self._root_keys = [0] * num_envs
        self._search = 0  # counts what ends a search: another one, or a root that changes
        self._missed_at: float | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all pools."""
        return self.levels.nbytes

    def lengths(self, envs: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Return how many tokens each environment's episode has had; -1 before its first observation."""
        lengths: np.ndarray = self._lengths[envs]
        return lengths

    def reset(self, envs: Int[np.ndarray, " batch"]) -> None:
        """Forget the roots of these environments: their next observation begins an episode."""
        self._lengths[envs] = BEFORE_FIRST_TOKEN
        for env in envs.tolist():
            self.levels.clear_roots(env)
        self._search += 1

    def is_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> bool:
        """Tell whether any of these roots was made by other weights, or is no longer held, which counts as a miss."""
        is_begun = self._lengths[envs] > 0
        for env in envs[is_begun & (self._versions[envs] == version)].tolist():
            if not self.levels.holds(env, self._root_keys[env]):
                self.levels.count_lost_root(env)
                self._versions[env] = NO_VERSION
                self._missed_at = perf_counter()
        return bool((is_begun & (self._versions[envs] != version)).any())

    def read_roots(self, envs: Int[np.ndarray, " batch"], version: int) -> Window:
        """Return the root contexts with room for the next action and latent token."""
        self._refuse_stale(envs, version)
        contexts = self._parts.allocate(len(envs))
        begun = np.flatnonzero(self._lengths[envs] > 0)
        if begun.size == len(envs):
            self._read_roots_into(contexts, envs)
        elif begun.size:
            some = self._parts.allocate(len(begun))
            self._read_roots_into(some, envs[begun])
            contexts.put(as_index(begun, self._parts.device), some)
            contexts.sizes[begun] = some.sizes
        return open_window(self.layout, contexts, is_begun=self._lengths[envs] > 0)

    def extend_roots(
        self, envs: Int[np.ndarray, " batch"], version: int, *, latents: Float[Tensor, "batch embed"], window: Window
    ) -> None:
        """Append to each root the two tokens that its window gained."""
        keys = self._follow_roots(envs, version, latents)
        lengths = self._lengths[envs] + 2
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
        for env in envs[self._versions[envs] != version].tolist():
            self.levels.clear_roots(env)  # nothing that other weights made may ever be found again
        contexts = self._parts.allocate(len(envs))
        number = min(keys_values.shape[1], self.layout.context_tokens)
        contexts.keys_values[:, -number:] = keys_values[:, -number:]
        if contexts.tokens is not None and tokens is not None:
            contexts.tokens[:, -number:] = tokens[:, -number:]
        contexts.sizes[:] = self.layout.held_tokens(lengths).clip(max=number)
        keys = self._parts.keys.begin(envs.tolist(), version, latents)
        self._keep_roots(envs, version, lengths, keys, contexts)
        if self._missed_at is not None:
            self.levels.count_regeneration(perf_counter() - self._missed_at)
            self._missed_at = None

    def begin_search(self, envs: Int[np.ndarray, " batch"], version: int) -> SearchContexts:
        """Open a search below the roots of these environments; any search opened before is over."""
        self._refuse_stale(envs, version)
        if (self._lengths[envs] < 1).any():
            raise StaleContextError(
                f"environments {envs[self._lengths[envs] < 1].tolist()} have no root; observe them first"
            )
        self._search += 1
        self.levels.clear_nodes()
        number = self._search

        def refuse_over() -> None:
            if number != self._search:
                raise StaleContextError(SEARCH_OVER)

        roots = Roots(envs.tolist(), [self._root_keys[env] for env in envs.tolist()], self._lengths[envs])
        return KeyedContexts(self._parts, roots, refuse_over=refuse_over)

    def stats(self) -> LevelStats | None:
        """Return what the pools have done so far; None where statistics are off."""
        return self.levels.stats()

    def figures(self) -> dict[str, float]:
        """Return what the pools count, see `LevelStats.figures`; nothing where statistics are off."""
        stats = self.stats()
        return {} if stats is None else stats.figures()

    def _read_roots_into(self, contexts: ContextBatch, envs: Int[np.ndarray, " batch"]) -> None:
        self.levels.read(envs.tolist(), [self._root_keys[env] for env in envs.tolist()], contexts)

    def _follow_roots(
        self, envs: Int[np.ndarray, " batch"], version: int, latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Return the keys of roots that are one step longer, or the first of their episode."""
        names = envs.tolist()
        parents = [self._root_keys[env] for env in names]
        keys = self._parts.keys.follow(parents, [NO_ACTION] * len(names), latents)
        for row in np.flatnonzero(self._lengths[envs] < 1).tolist():
            keys[row] = self._parts.keys.begin([names[row]], version, latents[row : row + 1])[0]
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
        self._lengths[envs] = lengths
        self._versions[envs] = version
        self._search += 1

    def _refuse_stale(self, envs: Int[np.ndarray, " batch"], version: int) -> None:
        if self.is_stale(envs, version):
            raise StaleContextError(
                f"roots of environments {envs.tolist()} were made by weights {self._versions[envs].tolist()} "
                f"({NO_VERSION}: they are no longer held), not by the current {version}; rebuild them before reading"
            )
