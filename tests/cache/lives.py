"""A random life of any store beside that of its twin of Python lists."""

from collections.abc import Iterator, Sequence

import numpy as np
from tests.cache.twin import LAYOUT, NUM_ENVS, NUM_SIMULATIONS, Mill, Twin

from kvzero.cache import StaticRows

EVERYONE = np.arange(NUM_ENVS)
ONE, TWO = np.array([1]), np.array([4, 2])
CONTEXT = LAYOUT.context_tokens


def some(rng: np.random.Generator) -> np.ndarray:
    """Return a random subset of the environments in random order, never an empty one."""
    return rng.permutation(NUM_ENVS)[: rng.integers(1, NUM_ENVS + 1)]


def grow_tree(mill: Mill, twin: Twin, envs: np.ndarray, rng: np.random.Generator, *, version: int) -> None:
    """Expand a random tree below every root; check every context that is read, and all of them again at the end."""
    contexts = mill.store.begin_search(envs, version)
    paths = [[twin.roots[env]] for env in envs]
    for node in range(1, NUM_SIMULATIONS + 1):
        parents = rng.integers(node, size=len(envs))
        window = contexts.read(parents)
        twin.check(window, [paths[row][parent] for row, parent in enumerate(parents)])
        new = mill.write(contexts, node, window)
        for row, parent in enumerate(parents):
            paths[row].append(paths[row][parent] + list(new[row]))
    for node in range(NUM_SIMULATIONS + 1):
        twin.check(contexts.read(np.full(len(envs), node)), [of_env[node] for of_env in paths])


def searches(rows: StaticRows, mill: Mill, twin: Twin, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Let environments move on and open a search below some of them, several times; check roots before and after."""
    for _ in range(6):
        moved = some(rng)
        twin.extend(moved, mill.extend(moved, 3))
        observed = np.array([env for env in rng.permutation(NUM_ENVS) if twin.roots[env]])
        envs = observed[: rng.integers(1, len(rows) + 1)]
        rows.begin(envs, 3)
        assert rows.lengths[: len(envs)].tolist() == [twin.length(env) for env in envs]
        yield envs
        twin.check(mill.store.read_roots(observed, 3), [twin.roots[env] for env in observed])


def live(mill: Mill, moves: Sequence[str], seed: int) -> None:
    """Let a store go through these moves, and check after each of them that it holds what lists hold."""
    rng, version = np.random.default_rng(seed), 3
    twin = Twin()
    for move in moves:
        envs = some(rng)
        stale = mill.store.is_stale(envs, version)
        if move == "reset":
            mill.store.reset(envs)
            twin.reset(envs)
        elif move == "update":
            version += 1
        elif move == "replace" or stale:
            observed = np.array([env for env in envs if twin.roots[env]], np.int64)
            lengths = np.array([twin.length(env) for env in observed], np.int64)
            if len(observed):
                number = min(int(lengths.max()), CONTEXT) + int(rng.integers(3))
                twin.replace(observed, mill.replace(observed, version, lengths=lengths, number=number), lengths)
        elif move == "extend":
            twin.extend(envs, mill.extend(envs, version))
        else:
            observed = np.array([env for env in envs if twin.roots[env]], np.int64)
            if len(observed):
                grow_tree(mill, twin, observed, rng, version=version)
        assert mill.store.lengths(EVERYONE).tolist() == [twin.length(env) for env in EVERYONE]
        fresh = np.array(
            [env for env in rng.permutation(NUM_ENVS) if not mill.store.is_stale(np.array([env]), version)]
        )
        if len(fresh):
            twin.check(mill.store.read_roots(fresh, version), [twin.roots[env] for env in fresh])
