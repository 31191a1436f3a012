"""Contexts whose nodes hold all actions, against the twin of Python lists, one search after another."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.lives import searches
from tests.cache.twin import LAYOUT, NUM_ENVS, NUM_SIMULATIONS, Mill, Twin, new_store
from torch import Tensor

from kvzero.cache import OnePassContexts, Window

NUM_ACTIONS = 3
CONTEXT = LAYOUT.context_tokens


def check(window: Window, paths: list[list[Tensor]], *, is_open: bool) -> None:
    """Hold windows against paths, whose newest token is still to come if the windows are open."""
    assert window.keys_values.shape == (len(window.keys_values), CONTEXT + NUM_ACTIONS, *LAYOUT.token_shape)
    for row, path in enumerate(paths):
        newest = [*path, None][-CONTEXT:] if is_open else path[-CONTEXT:]
        assert window.is_valid[row].tolist() == [False] * (CONTEXT - len(newest)) + [True] * (len(newest) + NUM_ACTIONS)
        for token, held in zip(newest, window.keys_values[row, CONTEXT - len(newest) : CONTEXT], strict=True):
            assert token is None or torch.equal(held, token)


def grow(contexts: OnePassContexts, mill: Mill, twin: Twin, envs: np.ndarray, rng: np.random.Generator) -> None:
    """Expand a random tree below every root; check every context that is read."""
    num_rows = len(contexts.rows)
    window = contexts.read_roots()
    check(window, [twin.roots[env] for env in envs], is_open=False)
    window.keys_values[:, CONTEXT:] = actions = mill.tokens(num_rows, NUM_ACTIONS)
    contexts.write_roots()
    paths, all_actions = [[twin.roots[env]] for env in envs], [actions]
    for node in range(1, NUM_SIMULATIONS + 1):
        parents, taken = rng.integers(node, size=num_rows), rng.integers(NUM_ACTIONS, size=num_rows)
        window = contexts.read(node, torch.from_numpy(parents), torch.from_numpy(taken))
        befores = [
            [*of_row[parent], all_actions[parent][row, action]]
            for row, (of_row, parent, action) in enumerate(zip(paths, parents, taken, strict=False))
        ]
        check(window, befores, is_open=True)
        window.keys_values[:, CONTEXT - 1 :] = new = mill.tokens(num_rows, 1 + NUM_ACTIONS)
        contexts.write(node)
        all_actions.append(new[:, 1:])
        for row, before in enumerate(befores):
            paths[row].append([*before, new[row, 0]])


@settings(max_examples=40)
@given(seed=st.integers(0, 999), num_rows=st.integers(1, NUM_ENVS))
def test_search_after_search_equals_the_twin(seed: int, num_rows: int) -> None:
    rng = np.random.default_rng(seed)
    store, twin = new_store(tokens_per_node=1 + NUM_ACTIONS), Twin()
    mill = Mill(store)
    contexts = OnePassContexts(store, num_rows)
    for envs in searches(contexts.rows, mill, twin, rng):
        grow(contexts, mill, twin, envs, rng)


def test_a_node_takes_a_slot_for_its_latent_and_one_for_each_action() -> None:
    sizes = [new_store(tokens_per_node=number).nbytes for number in (2, 1 + NUM_ACTIONS)]
    token_numbers = int(np.prod(LAYOUT.token_shape))
    assert sizes[1] - sizes[0] == NUM_ENVS * (NUM_SIMULATIONS + 1) * (NUM_ACTIONS - 1) * token_numbers * 4
