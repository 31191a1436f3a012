"""A planner refuses what no engine can serve before anything has changed, whichever engine it has."""

import numpy as np
import pytest
from tests.agent.games import network_of

from kvzero.agent import AgentConfig, Planner
from kvzero.errors import ConfigError
from kvzero.search import Outcome, SearchConfig

NUM_ENVS = 3
EVERYONE = np.arange(NUM_ENVS)
ENGINES = ["native", "eager", "device"]


def planner_of(engine: str) -> Planner:
    network = network_of("discrete", 0)
    config = AgentConfig(model=network.config, engine=engine, search=SearchConfig(num_simulations=5))
    return Planner(network, config, num_envs=NUM_ENVS)


def observe(planner: Planner, envs: np.ndarray, actions: np.ndarray, step: int) -> None:
    rng = np.random.default_rng(step)
    shape = (len(envs), *planner._network.spec.observation_shape)
    seen = rng.normal(size=shape).astype(np.float32)
    planner.observe(envs, seen, actions=actions, starts=np.full(len(envs), step == 0))


def plan(planner: Planner, envs: np.ndarray) -> Outcome:
    return planner.plan(envs, np.ones((len(envs), planner._network.spec.num_actions), bool), rng=None)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("envs", "action", "says"),
    [
        ([0, 2, 0], 0, r"environments \[0, 2, 0\] were named; name each once, by 0 to 2"),
        ([0, 1, 2, 1], 0, "name each once"),
        ([3], 0, "name each once"),
        ([-1], 0, "name each once"),
        ([1, 0], 1000, r"actions \[1000, 1000\] were to be taken, and they are numbered from 0 to"),
        ([1], -1, r"actions \[-1\] were to be taken"),
    ],
)
def test_what_is_refused_leaves_a_planner_as_it_was(engine: str, envs: list[int], action: int, says: str) -> None:
    planner, twin = planner_of(engine), planner_of(engine)
    for each in (planner, twin):
        observe(each, EVERYONE, np.zeros(NUM_ENVS, int), 0)
        plan(each, EVERYONE)
    with pytest.raises(ConfigError, match=says):
        observe(planner, np.array(envs), np.full(len(envs), action), 1)
    if action == 0:
        with pytest.raises(ConfigError, match=says):
            plan(planner, np.array(envs))
    assert planner.explain(0).num_tokens == 1  # it still knows its last search
    for each in (planner, twin):
        observe(each, EVERYONE, np.ones(NUM_ENVS, int), 2)
    np.testing.assert_array_equal(plan(planner, EVERYONE).values, plan(twin, EVERYONE).values)


def test_the_action_of_an_environment_that_starts_is_not_read() -> None:
    planner = planner_of("native")
    for _ in range(2):
        observe(planner, EVERYONE, np.full(NUM_ENVS, 1000), 0)
    assert planner.store.lengths(EVERYONE).tolist() == [1] * NUM_ENVS
