"""The keyed stores against the twin of Python lists, and what they do when a pool has forgotten something."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.keyed.keyed_twin import FakeModel, KeyedMill, fill_sliding, keyed_store
from tests.cache.lives import EVERYONE, ONE, TWO, grow_tree, live
from tests.cache.twin import LAYOUT, NUM_ENVS, NUM_SIMULATIONS, Twin

from kvzero.cache import CacheConfig, ContextLayout, ContextStore, SearchContexts
from kvzero.cache.keyed import store as store_module
from kvzero.errors import StaleContextError

KINDS = ["pooled", "legacy"]
MOVES = st.lists(st.sampled_from(["extend", "extend", "extend", "replace", "reset", "search", "update"]), max_size=15)


def some_cache(kind: str) -> st.SearchStrategy:
    """Return pools of any size, from a single slot to more than enough."""
    return st.builds(
        CacheConfig,
        init_pool_size=st.integers(1, 4),
        recur_pool_size=st.one_of(st.integers(1, 9), st.none()),
        eviction=st.sampled_from(["fifo", "lru", "priority"] if kind == "pooled" else ["fifo"]),
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data(), moves=MOVES, seed=st.integers(0, 99))
def test_any_life_of_a_store_equals_that_of_lists_however_small_its_pools(kind, data, moves, seed):
    store = keyed_store(kind, data.draw(some_cache(kind)))
    live(KeyedMill(store), moves, seed)
    stats = store.stats()
    assert stats.total.hits + stats.total.misses == stats.total.total_queries
    assert stats.init_total.misses == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_the_protocols(kind):
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 0)
    assert isinstance(mill.store, ContextStore)
    assert isinstance(mill.store.begin_search(ONE, 0), SearchContexts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_as_large_as_a_search_misses_nothing(kind):
    mill, twin = KeyedMill(keyed_store(kind)), Twin()
    twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    grow_tree(mill, twin, EVERYONE, np.random.default_rng(0), version=0)
    stats = mill.store.stats()
    assert (stats.total.misses, stats.total.evictions) == (0, 0)
    assert stats.total.hits == NUM_ENVS * (2 * NUM_SIMULATIONS + 1)  # each node's parent, then every node
    assert stats.recur_pool.size == NUM_ENVS * NUM_SIMULATIONS
    assert stats.recur_pool.regenerate_seconds == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_node_is_made_anew_from_its_nearest_held_ancestor_and_kept_again(kind):
    model = FakeModel()
    mill, twin = KeyedMill(keyed_store(kind, CacheConfig(recur_pool_size=3), model=model)), Twin()
    for _ in range(2):
        twin.extend(ONE, mill.extend(ONE, 0))  # 3 tokens
    contexts = mill.store.begin_search(ONE, 0)
    paths = [twin.roots[1]]
    for node, parent in enumerate([0, 1, 2, 3, 0, 5], start=1):  # a chain 0-1-2-3-4, and a chain 0-5-6
        new = mill.write(contexts, node, contexts.read(np.array([parent])))
        paths.append(paths[parent] + list(new[0]))
    assert model.lengths == []
    twin.check(contexts.read(np.array([3])), [paths[3]])  # held: 4, 5, 6; lost: 1, 2, 3
    assert model.lengths == [[3], [5], [7]]
    twin.check(contexts.read(np.array([3])), [paths[3]])  # kept again
    assert len(model.lengths) == 3
    stats = mill.store.stats().recur_pool
    assert (stats.misses, stats.evictions) == (1, 4)
    assert stats.regenerate_seconds > 0


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_of_several_environments_are_made_anew_together_each_from_its_own_depth(kind):
    model = FakeModel()
    mill, twin = KeyedMill(keyed_store(kind, CacheConfig(recur_pool_size=1), model=model)), Twin()
    twin.extend(TWO, mill.extend(TWO, 0))
    contexts = mill.store.begin_search(TWO, 0)
    paths = [[twin.roots[env]] for env in TWO]
    for node, parents in enumerate([(0, 0), (1, 0), (2, 1)], start=1):
        window = contexts.read(np.array(parents))
        twin.check(window, [paths[row][parent] for row, parent in enumerate(parents)])
        for row, new in enumerate(mill.write(contexts, node, window)):
            paths[row].append(paths[row][parents[row]] + list(new))
    model.lengths.clear()
    twin.check(contexts.read(np.array([3, 2])), [paths[0][3], paths[1][2]])
    assert model.lengths == [[1, 1], [3], [5]]  # three steps in one row, one in the other


def lose_roots(store) -> None:
    """Throw out all roots behind the store's back."""
    levels = store.levels
    if hasattr(levels, "manager"):
        levels.manager.clear_init_caches()
    else:
        for ring in levels.caches.init_rings:
            ring.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_that_is_gone_is_stale_counted_once_and_can_be_rebuilt(kind):
    mill, twin = KeyedMill(keyed_store(kind)), Twin()
    twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    lose_roots(mill.store)
    for _ in range(2):
        assert mill.store.is_stale(TWO, 0)
        with pytest.raises(StaleContextError, match="no longer held"):
            mill.store.read_roots(TWO, 0)
    assert mill.store.stats().init_pools["env_4"].misses == mill.store.stats().init_pools["env_2"].misses == 1
    assert mill.store.stats().init_total.misses == 2
    lengths = np.array([twin.length(env) for env in TWO])
    twin.replace(TWO, mill.replace(TWO, 0, lengths=lengths, number=1), lengths)
    twin.check(mill.store.read_roots(TWO, 0), [twin.roots[env] for env in TWO])


def seconds_of(store) -> dict[str, float]:
    """Return what each pool counts for making anew what was lost, where that is anything."""
    stats = store.stats()
    pools = stats.init_pools | {"recur": stats.recur_pool}
    return {name: pool.regenerate_seconds for name, pool in pools.items() if pool.regenerate_seconds}


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that goes on by hand only."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(store_module, "perf_counter", lambda: clock.now)
    return clock


def replace_roots(mill, envs, version) -> None:
    lengths = mill.store.lengths(envs)
    mill.replace(envs, version, lengths=lengths, number=1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_counts_of_a_lost_root_is_the_rebuilding_of_it_in_its_own_pool(kind, clock):
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 0)
    mill.store.levels.clear_roots(4)
    assert mill.store.is_stale(TWO, 0)
    clock.now += 50  # while nobody rebuilds it: what would be found below it may be known
    assert mill.store.is_stale(TWO, 0)
    clock.now += 3
    replace_roots(mill, TWO, 0)
    assert seconds_of(mill.store) == {"env_4": 1.5}  # half of what both took
    clock.now += 50
    replace_roots(mill, TWO, 1)  # as other weights always must
    assert seconds_of(mill.store) == {"env_4": 1.5}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_over", [True, False], ids=["episode", "weights"])
def test_a_lost_root_that_nobody_needs_any_more_costs_nothing(kind, is_over, clock):
    """The episode is over, or the weights have changed, so that it has to be rebuilt anyway."""
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 0)
    lose_roots(mill.store)
    assert mill.store.is_stale(TWO, 0)
    clock.now += 3
    if is_over:
        mill.store.reset(TWO)
        mill.extend(TWO, 0)
    replace_roots(mill, TWO, 0 if is_over else 1)
    replace_roots(mill, TWO, 0)
    assert seconds_of(mill.store) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_that_goes_during_a_search_is_an_error_not_a_guess(kind):
    mill = KeyedMill(keyed_store(kind, CacheConfig(recur_pool_size=1)))
    mill.extend(EVERYONE, 0)
    contexts = mill.store.begin_search(ONE, 0)
    for node in (1, 2):
        mill.write(contexts, node, contexts.read(np.array([0])))
    lose_roots(mill.store)
    with pytest.raises(StaleContextError, match="the root of environment 1 is no longer held"):
        contexts.read(np.array([1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_made_by_other_weights_is_refused_and_its_pool_is_emptied_when_it_is_replaced(kind):
    mill = KeyedMill(keyed_store(kind))
    for _ in range(3):
        mill.extend(EVERYONE, 5)
    assert not mill.store.is_stale(EVERYONE, 5)
    mill.replace(ONE, 6, lengths=np.array([7]), number=7)
    sizes = {name: stats.size for name, stats in mill.store.stats().init_pools.items()}
    assert sizes == {f"env_{env}": 1 if env == 1 else 3 for env in range(NUM_ENVS)}
    for version, envs in [(6, EVERYONE), (6, TWO), (5, ONE), (4, TWO)]:
        assert mill.store.is_stale(envs, version)
        for ask in (mill.store.read_roots, mill.store.begin_search):
            with pytest.raises(StaleContextError, match=r"made by weights .* not by the current"):
                ask(envs, version)
    mill.store.read_roots(TWO, 5)
    mill.store.begin_search(ONE, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_environment_without_observation_is_never_stale_but_cannot_be_searched(kind):
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 5)
    mill.store.reset(TWO)
    assert not mill.store.is_stale(TWO, 6)
    assert mill.store.read_roots(ONE, 5).is_valid.tolist() == [[False] * 3 + [True] * 3]
    assert mill.store.read_roots(TWO, 6).is_valid.tolist() == [[False] * 5 + [True]] * 2
    with pytest.raises(StaleContextError, match=r"environments \[4, 2\] have no root; observe them first"):
        mill.store.begin_search(np.array([4, 1, 2]), 5)


@pytest.mark.parametrize("kind", KINDS)
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
def test_a_search_that_is_over_can_neither_be_read_nor_written(kind, move):
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 0)
    contexts = mill.store.begin_search(ONE, 0)
    window = contexts.read(np.array([0]))
    move(mill)
    with pytest.raises(StaleContextError, match="this search is over"):
        contexts.read(np.array([0]))
    with pytest.raises(StaleContextError, match="this search is over"):
        mill.write(contexts, 1, window)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_into_a_window_reaches_the_store_only_when_handed_back(kind):
    mill, twin = KeyedMill(keyed_store(kind)), Twin()
    twin.extend(EVERYONE, mill.extend(EVERYONE, 0))
    mill.store.read_roots(EVERYONE, 0).keys_values.fill_(-1)
    contexts = mill.store.begin_search(EVERYONE, 0)
    contexts.read(np.zeros(NUM_ENVS, np.int64)).keys_values.fill_(-1)
    twin.check(contexts.read(np.zeros(NUM_ENVS, np.int64)), twin.roots)
    twin.check(mill.store.read_roots(EVERYONE, 0), twin.roots)


@pytest.mark.parametrize("kind", KINDS)
def test_clearing_by_reset_empties_the_pools_of_these_environments(kind):
    mill = KeyedMill(keyed_store(kind))
    mill.extend(EVERYONE, 0)
    mill.store.reset(TWO)
    sizes = [stats.size for stats in mill.store.stats().init_pools.values()]
    assert sizes == [1, 1, 0, 1, 0, 1]


def test_both_systems_hold_the_same_contexts_after_the_same_life():
    mills = [KeyedMill(keyed_store(kind)) for kind in KINDS]
    for mill in mills:
        live(mill, ["extend", "extend", "search", "extend", "update", "reset", "search"], 4)
    pooled, legacy = (mill.store for mill in mills)
    assert pooled._root_keys == legacy._root_keys
    caches = legacy.levels.caches
    for env, slots in enumerate(caches.past_kv_cache_init_infer_envs):
        pool = pooled.levels.manager.init_pools[env]
        assert set(pool.keys()) == set(slots)
        for key, slot in slots.items():
            entry = caches.shared_pool_init_infer[env][slot]
            assert torch.equal(entry.keys_values, pool.get(key).keys_values)
            assert entry.size == pool.get(key).size
    recur = pooled.levels.manager.recur_pool
    assert set(recur.keys()) == set(caches.past_kv_cache_recurrent_infer)
    assert len(recur) > 0


SLIDING = ContextLayout(num_layers=1, num_heads=2, head_dim=3, context_tokens=6, is_sliding=True)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_that_slide_carry_raw_tokens_and_at_most_what_sliding_leaves(kind):
    store = keyed_store(kind, layout=SLIDING)
    mill, numbers = KeyedMill(store, SLIDING), []
    for step in range(4):
        window = store.read_roots(ONE, 0)
        held = min(step, 2) * 2 - (step > 0)  # 0, 1, 3, 3 tokens of at most C - 3
        assert window.is_valid.tolist() == [[False] * (6 - held) + [True] * held + [step > 0, True]]
        assert window.tokens[0, 6 - held : 6, 0].tolist() == (
            [] if not held else np.repeat(numbers, 2)[-held:].tolist()
        )
        mill.tokens(1, 2)
        latents = mill.latents(1)
        numbers.append(float(latents[0, 0]))
        fill_sliding(window, latents)
        store.extend_roots(ONE, 0, latents=latents, window=window)
    contexts = store.begin_search(ONE, 0)
    for node in (1, 2, 3):
        window = contexts.read(np.array([node - 1]))
        assert window.is_valid.tolist() == [[False] * 3 + [True] * 5]
        assert window.tokens[0, 3:6, 0].tolist() == np.repeat(numbers, 2)[-3:].tolist()
        mill.tokens(1, 2)
        latents = mill.latents(1)
        numbers.append(float(latents[0, 0]))
        fill_sliding(window, latents)
        contexts.write(node, actions=torch.zeros(1, dtype=torch.int64), latents=latents, window=window)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_root_that_slides_keeps_its_raw_tokens(kind):
    store = keyed_store(kind, layout=SLIDING)
    keys_values = torch.rand(1, 3, *SLIDING.token_shape)
    tokens = torch.rand(1, 3, SLIDING.embed_dim)
    store.replace_roots(ONE, 4, lengths=np.array([19]), latents=tokens[:, -1], keys_values=keys_values, tokens=tokens)
    window = store.read_roots(ONE, 4)
    assert window.is_valid.tolist() == [[False] * 3 + [True] * 5]
    assert torch.equal(window.tokens[:, 3:6], tokens)
    assert torch.equal(window.keys_values[:, 3:6], keys_values)


def test_two_histories_with_one_latent_collide_by_latent_and_not_by_path():
    latents = torch.full((2, LAYOUT.embed_dim), 0.5)
    for key_mode, is_collision in [("latent", True), ("path", False)]:
        mill, twin = KeyedMill(keyed_store("pooled", CacheConfig(key_mode=key_mode))), Twin()
        twin.extend(TWO, mill.extend(TWO, 0))
        contexts = mill.store.begin_search(TWO, 0)
        window = contexts.read(np.array([0, 0]))
        window.keys_values[:, -2:] = new = mill.tokens(2, 2)
        contexts.write(1, actions=torch.tensor([0, 1]), latents=latents, window=window)
        found = contexts.read(np.array([1, 1])).keys_values[:, :4]
        assert torch.equal(found[1, 2:], new[1])
        assert torch.equal(found[0], found[1]) == is_collision
        assert torch.equal(found[0, 2:], new[0]) != is_collision


def test_memory_does_not_grow_over_ten_thousand_searches():
    program = Path(__file__).with_name("many_searches.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    for kind, grown in json.loads(done.stdout).items():
        assert grown["pools"] == 0, kind
        assert grown["objects"] < 50, kind
        assert grown["process"] < 4_000_000, kind
