"""Which store a config builds, what it refuses, and that all of them give one and the same agent."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.environments import ACTIONS, FEATURES
from tests.training.samples import MODEL, tiny_config, tiny_network

import kvzero
from kvzero import AgentConfig, CacheConfig, SearchConfig
from kvzero.agent import Planner
from kvzero.cache import ContextStore, KeyedStore, TreeStore
from kvzero.errors import ConfigError
from kvzero.model import network as network_module
from kvzero.reports import read_metrics

KEYED = ["pooled", "legacy"]
SEARCH = SearchConfig(num_simulations=6)
NUM_ENVS = 3


def planner_of(store: str, cache: CacheConfig | None = None, **settings) -> Planner:
    config = AgentConfig(model=MODEL, search=SEARCH, store=store, cache=cache or CacheConfig(), **settings)
    return Planner(tiny_network(5), config, num_envs=NUM_ENVS)


def live(planner: Planner, *, num_steps: int = 25, seed: int = 0) -> list[list[list[int]]]:
    """Return the visit counts of a life with episodes that end and searches that explore."""
    rng, explore = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    everyone, counts = np.arange(NUM_ENVS), []
    actions, starts = np.zeros(NUM_ENVS, np.int64), np.ones(NUM_ENVS, bool)
    for _ in range(num_steps):
        seen = rng.normal(size=(NUM_ENVS, FEATURES)).astype(np.float32)
        planner.observe(everyone, seen, actions=actions, starts=starts)
        outcome = planner.plan(everyone, np.ones((NUM_ENVS, ACTIONS), bool), rng=explore)
        counts.append(outcome.visit_counts.tolist())
        actions, starts = rng.integers(ACTIONS, size=NUM_ENVS), rng.random(NUM_ENVS) < 0.1
    return counts


@pytest.mark.parametrize("store", KEYED)
@pytest.mark.parametrize("cache", [CacheConfig(), CacheConfig(init_pool_size=1, recur_pool_size=2)], ids=["full", "2"])
def test_every_store_gives_the_same_visit_counts_over_a_life(store, cache):
    assert live(planner_of(store, cache)) == live(planner_of("tree"))


def test_the_store_that_is_built_is_the_one_that_was_named():
    stores = [planner_of(store).store for store in ("tree", *KEYED)]
    assert [type(store) for store in stores] == [TreeStore, KeyedStore, KeyedStore]
    assert all(isinstance(store, ContextStore) for store in stores)
    assert stores[0].figures() == {}


@pytest.mark.parametrize(
    ("store", "cache", "message"),
    [
        ("tree", CacheConfig(init_pool_size=3, key_mode="latent"), "init_pool_size, key_mode would have no effect"),
        (
            "tree",
            CacheConfig(pool_codec="int8"),
            "pool_codec would have no effect in a tree store.*choose store=pooled",
        ),
        ("legacy", CacheConfig(pool_codec="int8"), "pool_codec would have no effect in a legacy store"),
        ("tree", CacheConfig(pool_stats=False), "pool_stats would have no effect in a tree store"),
        ("legacy", CacheConfig(eviction="lru"), "eviction would have no effect in a legacy store.*choose store=pooled"),
        ("legacy", CacheConfig(recur_pool_bounds=(2, 99)), "recur_pool_bounds would have no effect"),
    ],
)
def test_a_setting_without_effect_is_an_error(store, cache, message):
    with pytest.raises(ConfigError, match=message):
        AgentConfig(store=store, cache=cache)


def test_a_codec_that_makes_nothing_smaller_is_refused():
    with pytest.raises(ConfigError, match=r"codec is float16, which makes nothing of torch\.bfloat16 smaller"):
        planner_of("pooled", CacheConfig(pool_codec="float16"), search_dtype="bfloat16", engine="eager")


def test_a_codec_takes_the_memory_that_was_promised_and_changes_few_searches():
    exact, coded = planner_of("pooled"), planner_of("pooled", CacheConfig(pool_codec="int8"))
    assert exact.store.nbytes * (4 + 2) == coded.store.nbytes * 4 * 4  # heads of 4 numbers: as many bytes and a scale
    wanted, found = live(exact), live(coded)
    changed = np.mean([one != other for one, other in zip(wanted, found, strict=True)])
    assert 0 <= changed < 0.5


def test_an_unknown_store_is_refused():
    config = AgentConfig()
    object.__setattr__(config, "store", "attic")  # past the type checks of the test session
    with pytest.raises(ConfigError, match="store is 'attic'; choose one of tree, pooled, legacy"):
        config.__post_init__()


@pytest.mark.parametrize("store", KEYED)
def test_pools_past_their_budget_are_refused(store):
    with pytest.raises(ConfigError, match="cache_max_bytes is 99,999; make init_pool_size"):
        planner_of(store, CacheConfig(init_pool_size=1_000, cache_max_bytes=99_999))


@pytest.mark.parametrize("store", KEYED)
def test_statistics_of_a_life_add_up(store):
    planner = planner_of(store, CacheConfig(init_pool_size=4, recur_pool_size=5))
    live(planner)
    stats, figures = planner.store.stats(), planner.store.figures()
    assert sorted(stats.init_pools) == ["env_0", "env_1", "env_2"]
    assert stats.recur_pool.misses > 0 < stats.recur_pool.regenerate_seconds
    assert stats.init_total.misses == 0
    for pool in ("init", "recur", "global"):
        assert figures[f"{pool}/hits"] + figures[f"{pool}/misses"] == figures[f"{pool}/total_queries"]
    # each simulation asks once per environment, and each step after an episode's first asks once for its root
    assert figures["global/total_queries"] >= 25 * NUM_ENVS * SEARCH.num_simulations
    assert figures["global/hits"] == figures["init/hits"] + figures["recur/hits"]


def test_statistics_can_be_left_out():
    planner = planner_of("pooled", CacheConfig(pool_stats=False))
    live(planner, num_steps=3)
    assert planner.store.stats() is None
    assert planner.store.figures() == {}


def keys_of(planner: Planner) -> set[int]:
    """Return the keys of all contexts that a pooled store holds, of roots and of nodes."""
    manager = planner.store.levels.manager
    return {key for pool in (*manager.init_pools, manager.recur_pool) for key in pool.keys()}  # noqa: SIM118


def move_weights_apart(planner: Planner, distance: float) -> None:
    with torch.no_grad():
        planner._network.latent_head.second.bias.add_(distance)  # a part that no latent depends on


@pytest.mark.parametrize("search_dtype", ["float32", "bfloat16"])
def test_two_networks_with_equal_counters_and_other_weights_never_share_a_key(search_dtype):
    planners = [planner_of("pooled", search_dtype=search_dtype) for _ in range(3)]
    for planner, distance in zip(planners, (1, 2, 1), strict=True):
        move_weights_apart(planner, distance)
    assert len({planner._network.version for planner in planners}) == 1
    observations = np.random.default_rng(0).normal(size=(NUM_ENVS, FEATURES)).astype(np.float32)
    for planner in planners:
        envs = np.arange(NUM_ENVS)
        planner.observe(envs, observations, actions=np.zeros(NUM_ENVS, np.int64), starts=np.ones(NUM_ENVS, bool))
        planner.plan(envs, np.ones((NUM_ENVS, ACTIONS), bool), rng=None)
    one, other, again = map(keys_of, planners)
    assert len(one) == len(other) == NUM_ENVS * (1 + SEARCH.num_simulations)
    assert one.isdisjoint(other)
    assert one == again


def test_the_same_weights_give_the_same_keys_in_every_process():
    program = (
        "from tests.engines.test_stores import keys_of, live, planner_of\n"
        "planner = planner_of('pooled')\n"
        "planner._network.mark_changed()\n"  # its counter is another one
        "live(planner, num_steps=3)\n"
        "print(sorted(keys_of(planner)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=root)
    planner = planner_of("pooled")
    live(planner, num_steps=3)
    assert done.stdout.strip() == str(sorted(keys_of(planner)))


def test_only_keyed_stores_have_the_weights_hashed_and_once_for_each_version(monkeypatch):
    hashed = []
    monkeypatch.setattr(network_module, "digest_weights", lambda weights: hashed.append(len(weights)) or bytes(32))
    planner = planner_of("tree")
    for distance in (1, 2):
        live(planner, num_steps=5)
        move_weights_apart(planner, distance)
    assert hashed == []
    planner = planner_of("pooled")
    for distance in (1, 2):
        live(planner, num_steps=5)
        move_weights_apart(planner, distance)
    assert len(hashed) == 2


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("store", KEYED)
def test_a_run_with_pools_trains_as_one_without_and_logs_what_they_did(store, tmp_path, trained_run):
    config = tiny_config(tmp_path, run_name=store)
    run = kvzero.train(replace(config, agent=replace(config.agent, store=store))).run
    tree, pooled = read_metrics(trained_run), read_metrics(run)
    # in a name, of what times, memory, or a store decide
    drift = ("second", "speedup", "_bytes", "cache/", "open_loop/")
    assert [_without(line, drift) for line in tree] == [_without(line, drift) for line in pooled]
    for line, other in zip(tree, pooled, strict=True):
        errors = {name: figure for name, figure in line.items() if name.startswith("open_loop/")}
        assert errors == pytest.approx({name: other[name] for name in errors}, abs=1e-5, rel=1e-5)
    assert any("open_loop/value/01" in line for line in tree)
    logged = [line for line in pooled if "cache/recur/hit_rate" in line]
    assert len(logged) == 10
    assert logged[-1]["cache/global/hit_rate"] == logged[-1]["cache/recur/hit_rate"] == 1.0
    assert logged[-1]["cache/init/hits"] > logged[0]["cache/init/hits"] > 0
    assert kvzero.Agent.load(run).config.store == store


def _without(line: dict[str, float], parts: tuple[str, ...]) -> dict[str, float]:
    return {name: figure for name, figure in line.items() if not any(part in name for part in parts)}
