"""Contexts that are made once against the twin of Python lists, one search after another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.lives import searches
from tests.cache.twin import NUM_ENVS, NUM_SIMULATIONS, Mill, Twin, new_store

from kvzero.cache import StaticTreeContexts, Window
from kvzero.errors import StaleContextError

EVERYONE = np.arange(NUM_ENVS)


class StaticMill(Mill):
    """Fills windows of static contexts as a network does."""

    def grow(self, contexts: StaticTreeContexts, twin: Twin, envs: np.ndarray, rng: np.random.Generator) -> None:
        """Expand a random tree below every root; check every context that is read, and all of them at the end."""
        num_rows = len(contexts.rows.lengths)
        paths = [[twin.roots[env]] for env in envs]
        for node in range(1, NUM_SIMULATIONS + 1):
            parents = rng.integers(node, size=num_rows)
            window = contexts.read(torch.from_numpy(parents))
            twin.check(asked(window, envs), [of_env[parent] for of_env, parent in zip(paths, parents, strict=False)])
            window.keys_values[:, -2:] = new = self.tokens(num_rows, 2)
            contexts.write(node)
            for row, of_env in enumerate(paths):
                of_env.append(of_env[parents[row]] + list(new[row]))
        for node in range(NUM_SIMULATIONS + 1):
            window = contexts.read(torch.full((num_rows,), node))
            twin.check(asked(window, envs), [of_env[node] for of_env in paths])


def asked(window: Window, envs: np.ndarray) -> Window:
    """Return the rows that were asked for."""
    return Window(window.keys_values[: len(envs)], window.is_valid[: len(envs)])


@settings(max_examples=40)
@given(seed=st.integers(0, 999), num_rows=st.integers(1, NUM_ENVS), tokens_per_node=st.integers(2, 4))
def test_search_after_search_equals_the_twin(seed: int, num_rows: int, tokens_per_node: int) -> None:
    rng = np.random.default_rng(seed)
    store, twin = new_store(tokens_per_node=tokens_per_node), Twin()
    mill = StaticMill(store)
    contexts = StaticTreeContexts(store, num_rows)
    for envs in searches(contexts.rows, mill, twin, rng):
        mill.grow(contexts, twin, envs, rng)


def test_no_tensor_moves_from_search_to_search() -> None:
    store = new_store()
    mill, twin, contexts = StaticMill(store), Twin(), StaticTreeContexts(store, 4)
    places = []
    for envs in (EVERYONE[:4], EVERYONE[3:5], EVERYONE[5:1:-1]):
        twin.extend(envs, mill.extend(envs, 1))
        contexts.rows.begin(envs, 1)
        mill.grow(contexts, twin, envs, np.random.default_rng(0))
        window = contexts.read(torch.zeros(4, dtype=torch.int64))
        places.append([window.keys_values.data_ptr(), window.is_valid.data_ptr(), contexts.rows.lengths.data_ptr()])
    assert places[0] == places[1] == places[2]


def test_rows_to_spare_are_other_environments() -> None:
    store = new_store()
    mill, contexts = StaticMill(store), StaticTreeContexts(store, 5)
    envs = np.array([4, 1])
    mill.extend(envs, 1)
    contexts.rows.begin(envs, 1)
    assert contexts.rows.envs[:2].tolist() == [4, 1]
    assert len(set(contexts.rows.envs.tolist())) == 5
    assert (contexts.rows.lengths >= 1).all()


def test_stale_and_missing_roots_are_refused() -> None:
    store = new_store()
    mill, contexts = StaticMill(store), StaticTreeContexts(store, 3)
    mill.extend(EVERYONE[:2], 1)
    contexts.rows.begin(EVERYONE[:2], 1)
    with pytest.raises(StaleContextError, match="rebuild"):
        contexts.rows.begin(EVERYONE[:2], 2)
    with pytest.raises(StaleContextError, match="have no root"):
        contexts.rows.begin(EVERYONE[1:3], 1)


def test_beginning_ends_the_search_before() -> None:
    store = new_store()
    mill, contexts = StaticMill(store), StaticTreeContexts(store, 2)
    mill.extend(EVERYONE, 1)
    before = store.begin_search(EVERYONE, 1)
    contexts.rows.begin(EVERYONE[:2], 1)
    with pytest.raises(StaleContextError, match="is over"):
        before.read(np.zeros(NUM_ENVS, np.int64))
