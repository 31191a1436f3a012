"""An agent with results acts as one without, and searches nothing twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.environments import ACTIONS, FEATURES
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import Agent, AgentConfig, CacheConfig, EnvSpec, Network, SearchConfig
from kvzero.agent import Planner
from kvzero.cache import ResultCache
from kvzero.engines import SamplingConfig
from kvzero.errors import ConfigError, SearchError, StaleContextError

CONFIG = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=3), engine="eager")
REACH = EnvSpec(observation_shape=(FEATURES,), action_dim=2)
SLIDING = replace(MODEL, positions="learned")
AGENTS = {
    "puct": (CONFIG, SPEC),
    "gumbel": (replace(CONFIG, search=SearchConfig(num_simulations=3, rule="gumbel")), SPEC),
    "native": (replace(CONFIG, engine="native"), SPEC),
    "pooled": (replace(CONFIG, store="pooled"), SPEC),
    "sliding": (replace(CONFIG, model=SLIDING, store="pooled"), SPEC),
    "continuous": (replace(CONFIG, sampling=SamplingConfig(num_sampled_actions=5, num_wide_actions=2)), REACH),
}
LOOKS = np.random.default_rng(0).normal(size=(2, FEATURES)).astype(np.float32)
"""All that is ever seen, so that histories repeat."""
EVERYONE = np.arange(2)
ROUNDING = 1e-6
"""Of continuous actions: what is searched in a smaller batch has other last bits."""


def network_of(config: AgentConfig, spec: EnvSpec, seed: int = 3) -> Network:
    return tiny_network(seed, config.model, spec)


def play(agent: Agent, num_steps: int, results: ResultCache | None, seed: int = 0) -> list[np.ndarray]:
    """Return the actions of an episode in two environments, of other looks for each seed."""
    rng = np.random.default_rng(seed)
    agent.reset()
    return [np.array(agent.act(LOOKS[rng.integers(2, size=2)], results=results)) for _ in range(num_steps)]


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_with_results_acts_as_one_without_and_searches_nothing_twice(name):
    config, spec = AGENTS[name]
    network, results = network_of(config, spec), ResultCache()
    wanted = play(Agent(network, config, num_envs=2), 9, None)
    agent = Agent(network, config, num_envs=2)
    np.testing.assert_allclose(play(agent, 9, results), wanted, atol=ROUNDING)
    misses = results.figures()["misses"]
    again = Agent(network_of(config, spec), config, num_envs=2)
    for each in (agent, again):
        np.testing.assert_allclose(play(each, 9, results), wanted, atol=ROUNDING)
    assert results.figures()["misses"] == misses


@settings(max_examples=12)
@given(
    schedule=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=8),
    name=st.sampled_from(["puct", "continuous", "sliding"]),
)
def test_no_order_of_episodes_and_weights_brings_another_action(schedule, name):
    """Two weights come and go, so that roots are left stale, and found or rebuilt later."""
    config, spec = AGENTS[name]
    networks = [network_of(config, spec, seed) for seed in (3, 4)]
    ours, twin = (network_of(config, spec) for _ in range(2))
    agent, plain = (Agent(network, config, num_envs=2) for network in (ours, twin))
    results = ResultCache()
    for looks, weights, starts in schedule:
        for network in (ours, twin):
            network.load_state_dict(networks[weights].state_dict())
        if starts < 2:
            for each in (agent, plain):
                each.reset(np.array([starts]))
        seen = LOOKS[[looks // 2, looks % 2]]
        np.testing.assert_allclose(agent.act(seen, results=results), plain.act(seen), atol=ROUNDING)
    np.testing.assert_allclose(*(sure_logits(each) for each in (agent, plain)), atol=1e-5)


def sure_logits(agent: Agent) -> np.ndarray:
    """Return what is read at the roots, once they are no longer left to wait."""
    masks = np.ones((2, agent.network.spec.num_actions), bool)
    agent._planner.plan(EVERYONE, masks, rng=None)
    return agent._planner.engine.readings(EVERYONE).policy_logits.numpy()


def test_roots_that_wait_for_what_is_never_searched_are_caught_up_later():
    """After a step of known results with stale roots, an agent goes on without results as if it had searched."""
    network, results = network_of(CONFIG, SPEC), ResultCache()
    agent, plain = (Agent(network, CONFIG, num_envs=2) for _ in range(2))
    play(agent, 5, results)
    play(plain, 5, None)
    network.mark_changed()  # the same weights, so that all is known, and all roots are stale
    for each, known in ((agent, results), (plain, None)):
        each.reset(np.array([1]))
        for look in (0, 1, 1):
            each.act(LOOKS[[look, 0]], results=known)
    assert agent.act(LOOKS).tolist() == plain.act(LOOKS).tolist()
    np.testing.assert_allclose(*(sure_logits(each) for each in (agent, plain)), atol=1e-6)


def planner_of(config: AgentConfig = CONFIG, network: Network | None = None) -> Planner:
    planner = Planner(network or network_of(config, SPEC), config, num_envs=2)
    planner.observe(EVERYONE, LOOKS, actions=np.zeros(2, np.int64), starts=np.ones(2, bool))
    return planner


def num_found(planner: Planner, results: ResultCache, masks: np.ndarray | None = None) -> int:
    before = results.figures()["hits"]
    planner.recall(EVERYONE, np.ones((2, ACTIONS), bool) if masks is None else masks, results)
    return int(results.figures()["hits"] - before)


def test_findings_are_what_a_plan_says():
    planner, results = planner_of(), ResultCache()
    masks = np.array([[True] * ACTIONS, [False] + [True] * (ACTIONS - 1)])
    outcome = planner.plan(EVERYONE, masks, rng=None)
    for _ in range(2):
        found = planner.recall(EVERYONE, masks, results)
        np.testing.assert_array_equal(found.policy, outcome.policy)
        np.testing.assert_array_equal(found.values, outcome.values)
        np.testing.assert_array_equal(found.actions, outcome.actions)
        assert found.action_sets is None
    assert num_found(planner, results, masks) == 2


def test_equal_histories_are_searched_once_and_found_alike():
    planner, results = Planner(network_of(CONFIG, SPEC), CONFIG, num_envs=3), ResultCache()
    everyone, masks = np.arange(3), np.ones((3, ACTIONS), bool)
    planner.observe(everyone, LOOKS[[1, 0, 1]], actions=np.zeros(3, np.int64), starts=np.ones(3, bool))
    wanted = planner.plan(everyone, masks, rng=None)
    for num_hits in (0, 3):
        found = planner.recall(everyone, masks, results)
        np.testing.assert_allclose(found.policy, wanted.policy, atol=ROUNDING)
        np.testing.assert_array_equal(found.records[0], found.records[2])
        assert (len(results), results.figures()["hits"]) == (2, num_hits)


def change_one_weight(network: Network) -> None:
    with torch.no_grad():
        next(network.latent_head.parameters()).view(-1)[0].add_(1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda: planner_of(replace(CONFIG, search=SearchConfig(num_simulations=5))),
        lambda: planner_of(replace(CONFIG, store="pooled", cache=CacheConfig(recur_pool_size=9))),
        lambda: planner_of(replace(CONFIG, search_dtype="bfloat16")),
        lambda: planner_of(replace(CONFIG, engine="native")),
        lambda: planner_of(network=network_of(CONFIG, SPEC, seed=4)),
    ],
    ids=["simulations", "store", "number type", "engine", "weights"],
)
def test_what_was_found_otherwise_is_not_found(change):
    results = ResultCache()
    assert num_found(planner_of(), results) == 0
    assert num_found(planner_of(), results) == 2
    assert num_found(change(), results) == 0


def test_one_changed_weight_another_discount_and_another_mask_find_nothing():
    planner, results = planner_of(), ResultCache()
    num_found(planner, results)
    masks = np.ones((2, ACTIONS), bool)
    masks[1, 2] = False
    assert num_found(planner, results, masks) == 1
    planner.set_discount(0.5)
    assert num_found(planner, results) == 0
    planner.set_discount(CONFIG.search.discount)
    assert num_found(planner, results) == 2
    change_one_weight(planner._network)
    assert num_found(planner, results) == 0


def test_a_history_is_found_at_its_place_in_the_episode_alone():
    """Equal receptive fields are two roots where the first token has another index."""
    results, steps = ResultCache(), MODEL.layout.history_steps + 1
    planner = planner_of()
    for _ in range(steps):
        planner.observe(EVERYONE, LOOKS, actions=np.ones(2, np.int64), starts=np.zeros(2, bool))
    before = planner._histories(EVERYONE, np.ones((2, ACTIONS), bool))
    planner.observe(EVERYONE, LOOKS, actions=np.ones(2, np.int64), starts=np.zeros(2, bool))
    assert not set(before) & set(planner._histories(EVERYONE, np.ones((2, ACTIONS), bool)))
    assert num_found(planner, results) == 0


def test_results_that_may_be_old_are_refused_and_nothing_has_changed():
    agent, twin = (Agent(network_of(CONFIG, SPEC), CONFIG, num_envs=2) for _ in range(2))
    with pytest.raises(ConfigError, match=r"max_age_updates is 200, .* only reanalysis takes such results: give 0"):
        agent.act(LOOKS, results=ResultCache(max_age_updates=200))
    assert agent.act(LOOKS[::-1]).tolist() == twin.act(LOOKS[::-1]).tolist()
    np.testing.assert_array_equal(sure_logits(agent), sure_logits(twin))


def test_an_agent_whose_roots_depend_on_more_than_history_refuses_results():
    config = replace(CONFIG, model=replace(SLIDING, window="shift"), store="pooled")
    agent = Agent(network_of(config, SPEC), config, num_envs=2)
    with pytest.raises(ConfigError, match="choose window=rebuild"):
        agent.act(LOOKS, results=ResultCache())
    agent.act(LOOKS)


def test_what_cannot_be_planned_for_cannot_be_recalled():
    planner, results = Planner(network_of(CONFIG, SPEC), CONFIG, num_envs=2), ResultCache()
    with pytest.raises(StaleContextError, match=r"environments \[0, 1\] have no root; observe them first"):
        num_found(planner, results)
    with pytest.raises(SearchError, match="no legal action"):
        num_found(planner_of(), results, np.zeros((2, ACTIONS), bool))
    assert len(results) == 0
