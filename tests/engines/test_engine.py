"""Every engine serves one protocol, and makes roots of raw sequences where no environment ever was."""

from dataclasses import replace

import numpy as np
import pytest
from tests.equivalence.scenario import Life, Shape
from tests.equivalence.test_exactness import SHAPES, STORES, engine_of, trees_of

from kvzero.engines import Engine, Past, SearchNetwork, build_engine, build_store

ENGINES = [(name, store) for name in ("vector", "image", "continuous") for store in trees_of(name)]
ENGINES += [(name, store) for name in ("vector", "continuous") for store in ("pooled", "legacy")]


def bare_engine(life: Life, num_envs: int) -> Engine:
    """Return an engine for the network of a life that has no environment, no planner and no history."""
    config = life.config
    network = SearchNetwork(life.network, config.search_dtype)
    store = build_store(
        config.store,
        network,
        config.cache,
        num_envs=num_envs,
        num_simulations=config.search.num_simulations,
        has_all_actions=config.one_pass,
    )
    return build_engine(config.engine, network, store, config.search, config.sampling)


def sequences(life: Life, num_steps: int) -> tuple[Past, np.ndarray]:
    """Return what all environments have seen in their episodes, at most so many steps, and the episodes' tokens."""
    spec, counts = life.shape.spec, np.array([len(seen) for seen in life.observed])
    depth = min(num_steps, int(counts.max()))
    dtype = np.uint8 if spec.is_image else np.float32
    observations = np.zeros((len(counts), depth, *spec.observation_shape), dtype)
    actions, is_valid = spec.blank_actions(len(counts), depth - 1), np.zeros((len(counts), depth), bool)
    for env, (seen, taken) in enumerate(zip(life.observed, life.taken, strict=True)):
        kept = min(depth, len(seen))
        observations[env, depth - kept :] = seen[-kept:]
        is_valid[env, depth - kept :] = True
        if kept > 1:
            actions[env, depth - kept :] = taken[-(kept - 1) :]
    return Past(observations, actions, is_valid), 2 * counts - 1


@pytest.mark.parametrize(("name", "store"), ENGINES)
def test_raw_sequences_become_the_roots_that_environments_would_have(name: str, store: str) -> None:
    shape: Shape = replace(SHAPES[name], **STORES[store])
    life = Life(shape, seed=11, engine=engine_of(store))
    engine, everyone = bare_engine(life, shape.num_envs), np.arange(shape.num_envs)
    assert isinstance(engine, Engine)
    assert engine.name == life.planner.engine.name
    masks = np.ones((shape.num_envs, shape.spec.num_actions), bool)
    for step in range(18):
        life.observe(life.some_envs() if step else everyone)
        if step % 6 < 5:
            life.actions[:] = life._choose(shape.num_envs)
            continue
        past, lengths = sequences(life, shape.model.layout.history_steps + 1)
        engine.rebuild(everyone, past, lengths)
        found, wanted = engine.readings(everyone), life.planner.engine.readings(everyone)
        np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
        np.testing.assert_allclose(found.policy_logits, wanted.policy_logits, atol=1e-5)
        lived, rebuilt = life.planner.plan(everyone, masks, rng=None), engine.search(everyone, masks, rng=None)
        np.testing.assert_array_equal(rebuilt.visit_counts, lived.visit_counts)
        np.testing.assert_allclose(rebuilt.values, lived.values, atol=1e-4)
        life.actions[:] = life._choose(shape.num_envs)


@pytest.mark.parametrize(("name", "store"), ENGINES)
def test_another_discount_gives_the_searches_of_an_engine_that_was_built_with_it(name: str, store: str) -> None:
    shape: Shape = replace(SHAPES[name], **STORES[store])
    life, everyone = Life(shape, seed=5, engine=engine_of(store)), np.arange(shape.num_envs)
    masks, outcomes = np.ones((shape.num_envs, shape.spec.num_actions), bool), []
    life.observe(everyone)
    past, lengths = sequences(life, 1)
    for built_with, set_to in ((0.5, 0.5), (0.997, 0.5), (0.997, 0.997)):
        life.config = replace(life.config, search=replace(life.config.search, discount=built_with))
        engine = bare_engine(life, shape.num_envs)
        engine.rebuild(everyone, past, lengths)
        engine.search(everyone, masks, rng=None)  # what an engine keeps from one search for the next
        engine.set_discount(set_to)
        outcomes.append(engine.search(everyone, masks, rng=None))
    near, changed, far = outcomes
    np.testing.assert_array_equal(changed.values, near.values)
    np.testing.assert_array_equal(changed.action_values, near.action_values)
    assert not np.array_equal(changed.values, far.values)
