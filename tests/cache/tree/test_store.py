"""The tree store against a twin of Python lists, its address arithmetic, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.lives import EVERYONE, ONE, TWO, live, some
from tests.cache.twin import LAYOUT, NUM_ENVS, NUM_SIMULATIONS, Mill, Twin, new_store

from kvzero.cache import ContextLayout, ContextStore, SearchContexts, TreeStore
from kvzero.errors import ConfigError, StaleContextError

CONTEXT = LAYOUT.context_tokens


@settings(max_examples=60)
@given(
    moves=st.lists(
        st.sampled_from(["extend", "extend", "extend", "replace", "reset", "search", "update"]), max_size=25
    ),
    seed=st.integers(0, 99),
    tokens_per_node=st.integers(2, 4),
)
def test_any_life_of_a_store_equals_that_of_lists(moves, seed, tokens_per_node):
    live(Mill(new_store(tokens_per_node=tokens_per_node)), moves, seed)


@pytest.mark.parametrize("context", [2, 4, 10])
def test_roots_roll_over_in_their_ring(context):
    layout = ContextLayout(num_layers=2, num_heads=3, head_dim=5, context_tokens=context)
    mill, twin = Mill(new_store(layout), layout), Twin(context_tokens=context)
    rng = np.random.default_rng(0)
    for _ in range(6 * context):
        envs = some(rng)
        twin.extend(envs, mill.extend(envs, 0))
        twin.check(mill.store.read_roots(EVERYONE, 0), twin.roots)
    assert mill.store.lengths(EVERYONE).min() > 3 * context


def test_block_tables_equal_a_walk_up_the_parents():
    mill, rng = Mill(new_store()), np.random.default_rng(1)
    envs, lengths = np.array([4, 0, 3]), np.array([1, 3, 9])
    mill.replace(envs, 0, lengths=lengths, number=9)
    contexts = mill.store.begin_search(envs, 0)
    parents = np.zeros((3, NUM_SIMULATIONS + 1), np.int64)
    for node in range(1, NUM_SIMULATIONS + 1):
        parents[:, node] = rng.integers(node, size=3)
        mill.write(contexts, node, contexts.read(parents[:, node]))
    table = mill.store._table.view(NUM_ENVS, NUM_SIMULATIONS + 1, CONTEXT)
    for row, env in enumerate(envs):
        for node in range(NUM_SIMULATIONS + 1):
            assert table[env, node].tolist() == walk(parents[row], node, int(lengths[row])), (env, node)


def walk(parents: np.ndarray, node: int, length: int) -> list[int]:
    """Return the slots of a node's context, oldest first, from the node up to the root's ring."""
    slots = []
    while node:
        slots = [CONTEXT + 2 * node, CONTEXT + 2 * node + 1, *slots]
        node = int(parents[node])
    ring = [token % CONTEXT if token >= 0 else -1 for token in range(length - CONTEXT, length)]
    return (ring + slots)[-CONTEXT:]


@pytest.mark.parametrize(
    ("num_layers", "num_heads", "head_dim", "context", "simulations", "envs", "dtype"),
    [(2, 3, 5, 4, 7, 6, torch.float32), (2, 8, 96, 8, 50, 1, torch.float32), (1, 2, 4, 6, 1, 3, torch.bfloat16)],
)
def test_memory_is_what_the_formula_says(num_layers, num_heads, head_dim, context, simulations, envs, dtype):
    layout = ContextLayout(num_layers=num_layers, num_heads=num_heads, head_dim=head_dim, context_tokens=context)
    store = TreeStore(layout, num_envs=envs, num_simulations=simulations, device=torch.device("cpu"), dtype=dtype)
    slots = context + 2 * (simulations + 1)
    assert store.nbytes == envs * slots * 2 * num_layers * num_heads * head_dim * dtype.itemsize
    assert store.nbytes == envs * slots * layout.token_bytes(dtype)


@pytest.mark.parametrize("sizes", [{"num_envs": 0}, {"num_simulations": 0}, {"num_envs": -2}])
def test_a_store_for_nobody_is_refused(sizes):
    with pytest.raises(ConfigError, match=r"num_envs=.* num_simulations=.*give at least 1"):
        new_store(**sizes)


def test_a_sliding_layout_is_refused_with_the_stores_that_can():
    with pytest.raises(ConfigError, match="choose store=pooled or store=legacy"):
        new_store(replace(LAYOUT, is_sliding=True))


def test_it_serves_the_protocols():
    mill = Mill(new_store())
    mill.extend(EVERYONE, 0)
    assert isinstance(mill.store, ContextStore)
    assert isinstance(mill.store.begin_search(ONE, 0), SearchContexts)


def test_padding_and_the_action_before_the_first_observation_are_marked_invalid():
    mill = Mill(new_store())
    assert mill.store.read_roots(ONE, 0).is_valid.tolist() == [[False] * (CONTEXT + 1) + [True]]
    mill.extend(ONE, 0)
    assert mill.store.read_roots(ONE, 0).is_valid.tolist() == [[False] * (CONTEXT - 1) + [True] * 3]
    contexts = mill.store.begin_search(ONE, 0)
    for node, num_valid in [(1, 3), (2, 5)]:  # a chain: node n below node n - 1
        window = contexts.read(np.array([node - 1]))
        assert window.is_valid.tolist() == [[False] * (CONTEXT + 2 - num_valid) + [True] * num_valid]
        mill.write(contexts, node, window)
    assert contexts.read(np.array([2])).is_valid.all()


def test_full_contexts_need_no_mask():
    mill = Mill(new_store())
    mill.replace(TWO, 0, lengths=np.array([CONTEXT, CONTEXT + 3]), number=CONTEXT)
    assert mill.store.read_roots(TWO, 0).is_valid is None
    assert mill.store.begin_search(TWO, 0).read(np.zeros(2, np.int64)).is_valid is None


def test_a_root_made_by_other_weights_is_refused():
    mill = Mill(new_store())
    mill.extend(EVERYONE, 5)
    mill.extend(TWO, 5)
    assert not mill.store.is_stale(EVERYONE, 5)
    mill.replace(ONE, 6, lengths=np.array([1]), number=2)
    for version, envs in [(6, EVERYONE), (6, TWO), (5, ONE), (4, TWO)]:
        assert mill.store.is_stale(envs, version)
        with pytest.raises(StaleContextError, match=r"made by weights .* not by the current"):
            mill.store.read_roots(envs, version)
        with pytest.raises(StaleContextError, match=r"made by weights .* not by the current"):
            mill.store.begin_search(envs, version)
    mill.store.read_roots(TWO, 5)
    mill.store.begin_search(ONE, 6)


def test_an_environment_without_observation_is_never_stale_but_cannot_be_searched():
    mill = Mill(new_store())
    mill.extend(EVERYONE, 5)
    mill.store.reset(TWO)
    assert not mill.store.is_stale(TWO, 6)
    mill.store.read_roots(TWO, 6)
    with pytest.raises(StaleContextError, match=r"environments \[4, 2\] have no root; observe them first"):
        mill.store.begin_search(np.array([4, 1, 2]), 5)


@pytest.mark.parametrize(
    "move",
    [
        lambda mill: mill.store.begin_search(TWO, 0),
        lambda mill: mill.store.reset(ONE),
        lambda mill: mill.extend(ONE, 0),
        lambda mill: mill.replace(ONE, 0, lengths=np.array([3]), number=3),
    ],
    ids=["search", "reset", "extend", "replace"],
)
def test_a_search_that_is_over_can_neither_be_read_nor_written(move):
    mill = Mill(new_store())
    mill.extend(EVERYONE, 0)
    contexts = mill.store.begin_search(ONE, 0)
    window = contexts.read(np.array([0]))
    move(mill)
    with pytest.raises(StaleContextError, match="this search is over"):
        contexts.read(np.array([0]))
    with pytest.raises(StaleContextError, match="this search is over"):
        mill.write(contexts, 1, window)


def test_what_was_read_is_not_changed_by_what_is_written_elsewhere():
    mill, twin = Mill(new_store()), Twin()
    for _ in range(3):
        twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    roots = mill.store.read_roots(TWO, 0)
    before = roots.keys_values.clone()
    twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    assert torch.equal(roots.keys_values, before)

    contexts = mill.store.begin_search(TWO, 0)
    mill.write(contexts, 1, contexts.read(np.array([0, 0])))
    held = contexts.read(np.array([1, 1]))
    before = held.keys_values[:, :CONTEXT].clone()
    mill.write(contexts, 2, held)
    assert torch.equal(held.keys_values[:, :CONTEXT], before)
    for node in range(3, NUM_SIMULATIONS + 1):
        mill.write(contexts, node, contexts.read(np.array([node - 1, 0])))
    assert torch.equal(contexts.read(np.array([1, 1])).keys_values[:, :CONTEXT], before)
    twin.check(mill.store.read_roots(EVERYONE, 0), twin.roots)


def test_what_is_written_into_a_window_reaches_the_store_only_when_handed_back():
    mill, twin = Mill(new_store()), Twin()
    twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    mill.store.read_roots(EVERYONE, 0).keys_values.fill_(-1)
    contexts = mill.store.begin_search(EVERYONE, 0)
    contexts.read(np.zeros(NUM_ENVS, np.int64)).keys_values.fill_(-1)
    twin.check(contexts.read(np.zeros(NUM_ENVS, np.int64)), twin.roots)
    twin.check(mill.store.read_roots(EVERYONE, 0), twin.roots)


def test_a_store_made_in_inference_mode_serves_outside_of_it():
    with torch.inference_mode():
        mill = Mill(new_store())
    mill.extend(EVERYONE, 0)
    mill.write(contexts := mill.store.begin_search(TWO, 0), 1, contexts.read(np.array([0, 0])))
