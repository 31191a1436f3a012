"""Two levels of contexts under keys: the roots of each environment, and the nodes of the search in progress."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from kvzero.cache.pools import ContextBatch, KVCacheManager, LevelStats

__all__ = ["MISSING", "ContextLevels", "PooledLevels"]

MISSING = -1
"""Stands for the size of a context that neither level has."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class ContextLevels(Protocol):
    """What is asked of the caches that contexts are kept in, by a keyed store and by the world model of `compat`."""

    @property
    def nbytes(self) -> int:
        """Bytes held for keys and values."""

    def holds(self, env: int, key: int) -> bool:
        """Tell whether either level has a context, without counting a query."""

    def read(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch, *, is_counted: bool = True) -> None:
        """Copy each context into its row of the batch, from the roots if they have it, else from the nodes.

        The size of what neither has is `MISSING`. A query counts for the roots if they answer it, else for the nodes.
        """

    def write_roots(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep the new root of each environment; it is not evicted before the next one comes."""

    def write_nodes(self, keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep the contexts of nodes."""

    def clear_roots(self, env: int) -> None:
        """Forget the roots of one environment."""

    def clear_nodes(self) -> None:
        """Forget all nodes."""

    def clear(self) -> None:
        """Forget everything; statistics go on."""

    def count_lost_root(self, env: int) -> None:
        """Count a root that was wanted and is no longer there."""

    def count_rebuilt_root(self, env: int, seconds: float) -> None:
        """Count time that it took to rebuild a root that was lost."""

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute nodes anew that had been missed."""

    def stats(self) -> LevelStats | None:
        """Return what both levels have done so far; None where statistics are off."""


class PooledLevels:
    """The init pools and the recur pool of a manager; the newest root of each environment is pinned."""

    def __init__(self, manager: KVCacheManager) -> None:
        """Take over a manager whose roots are nobody's newest: none of them stays pinned."""
        self.manager = manager
        self._newest_roots: dict[int, int] = {}
        for pool in manager.init_pools:
            held = pool.keys()
            for key in held:
                pool.unpin(key)

    @property
    def nbytes(self) -> int:
        """Bytes of all pools."""
        return self.manager.nbytes

    def holds(self, env: int, key: int) -> bool:
        """Tell whether either level has a context, without counting a query."""
        return key in self.manager.init_pool(env) or key in self.manager.recur_pool

    def read(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch, *, is_counted: bool = True) -> None:
        """Copy each context into its row of the batch, all those of nodes at once."""
        slots, rows, nodes = [], [], self.manager.recur_pool
        with nodes.lock:  # what was found is there until the next write only
            for row, (env, key) in enumerate(zip(envs, keys, strict=True)):
                roots = self.manager.init_pool(env)
                with roots.lock:
                    pool = roots if key in roots else nodes
                    slot = pool.find(key, is_counted=is_counted)
                    if slot is None:
                        batch.sizes[row] = MISSING
                    elif pool is roots:
                        roots.copy_row(slot, batch, row)
                    else:
                        slots.append(slot)
                        rows.append(row)
            if rows:
                nodes.copy_out(slots, batch, rows)

    def write_roots(self, envs: Sequence[int], keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep and pin the new root of each environment."""
        for row, (env, key) in enumerate(zip(envs, keys, strict=True)):
            pool = self.manager.init_pool(env)
            if env in self._newest_roots:
                pool.unpin(self._newest_roots[env])
            pool.set(key, batch.row(row))
            pool.pin(key)
            self._newest_roots[env] = key

    def write_nodes(self, keys: Sequence[int], batch: ContextBatch) -> None:
        """Keep the contexts of nodes."""
        self.manager.make_recur_room(sum(key not in self.manager.recur_pool for key in keys))
        self.manager.recur_pool.set_many(keys, batch)

    def clear_roots(self, env: int) -> None:
        """Forget the roots of one environment."""
        self.manager.clear_env(env)

    def clear_nodes(self) -> None:
        """Forget all nodes."""
        self.manager.clear_recur_cache()

    def clear(self) -> None:
        """Forget everything; statistics go on."""
        self.manager.clear_all()

    def count_lost_root(self, env: int) -> None:
        """Count a root that was wanted and is no longer there."""
        self.manager.init_pool(env).count_miss()

    def count_rebuilt_root(self, env: int, seconds: float) -> None:
        """Count time that it took to rebuild a root that was lost."""
        self.manager.init_pool(env).count_regeneration(seconds)

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute nodes anew that had been missed."""
        self.manager.recur_pool.count_regeneration(seconds)

    def stats(self) -> LevelStats | None:
        """Return what both levels have done so far; None where statistics are off."""
        stats = self.manager.stats()
        return None if stats is None else stats.levels
