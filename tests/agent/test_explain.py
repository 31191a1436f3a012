"""A record says what the trees of its search say, for every engine, store and rule, and is made only when asked for."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.agent.test_agent import agent_of, looks
from tests.equivalence.scenario import Life, action_of
from tests.equivalence.test_exactness import SHAPES, STORES, engine_of
from tests.training.samples import MODEL, tiny_network

from kvzero import AgentConfig, SearchConfig
from kvzero.agent import Planner, SearchRecord
from kvzero.agent import planner as planner_module
from kvzero.cache import ResultCache
from kvzero.errors import SearchError
from kvzero.search import Outcome


def lives() -> list[tuple[str, str]]:
    """Return every engine, store and rule with numbered actions, and those that serve continuous ones."""
    return [("vector", store) for store in STORES] + [
        ("continuous", store) for store in ("tree", "tree_native", "pooled", "tree_gumbel")
    ]


def searched(name: str, store: str) -> tuple[Life, np.ndarray, Outcome]:
    """Return environments after some steps, those that were searched below last, and what was found."""
    life = Life(replace(SHAPES[name], **STORES[store]), seed=4, engine=engine_of(store))
    for step in range(5):
        envs = np.array([2, 0]) if step == 4 else np.arange(life.shape.num_envs)
        life.observe(envs)
        outcome = life.plan(envs, explore=step == 4)
    return life, envs, outcome


@pytest.mark.parametrize(("name", "store"), lives())
def test_a_record_says_what_the_tree_says(name: str, store: str) -> None:
    life, envs, outcome = searched(name, store)
    tree = outcome.tree
    for row, env in enumerate(envs.tolist()):
        record = life.planner.explain(env)
        assert (record.engine, record.store) == (life.planner.engine.name, life.config.store)
        assert (record.rule, record.discount) == (life.config.search.rule, life.config.search.discount)
        assert record.num_tokens == 2 * len(life.observed[env]) - 1
        assert record.chosen == outcome.chosen[row]
        for found, wanted in (
            (record.legal, tree.action_masks[row]),
            (record.policy, outcome.policy[row]),
            (record.visit_counts, outcome.visit_counts[row]),
            (record.action_values, outcome.action_values[row]),
            (record.parents, tree.parents[row]),
            (record.actions, tree.actions[row]),
            (record.depths, tree.depths[row]),
            (record.visits, tree.visit_counts[row]),
            (record.rewards, tree.rewards[row]),
            (record.priors, tree.priors[row]),
            (record.action, outcome.actions[row]),
        ):
            np.testing.assert_array_equal(found, wanted)
        assert record.values[0] == outcome.values[row]
        said = [
            life.planner.engine.readings(envs).values[row].item(),
            *(node.values[row].item() for node in life.expansions),
        ]
        np.testing.assert_allclose(record.predicted_values, said, atol=1e-5)
        if record.action_vectors is not None:
            for node in range(1, len(record.parents)):
                vector = record.action_vectors[record.parents[node], record.actions[node]]
                np.testing.assert_array_equal(vector, action_of(outcome, row, node))


@pytest.mark.parametrize("store", ["tree_native", "pooled"])
def test_a_record_stays_as_it_is(store: str) -> None:
    life, envs, _ = searched("vector", store)
    record = life.planner.explain(int(envs[0]))
    before = json.dumps(record.to_json())
    for _ in range(3):
        life.observe(envs)
        life.plan(envs)
    assert json.dumps(record.to_json()) == before


@pytest.mark.parametrize(
    ("chosen", "visits", "line"),
    [
        (1, [6, 2, 3, 1, 1], [2, 3]),  # of the two below it, both visited once, that of the lower action
        (0, [6, 2, 3, 1, 1], [1]),  # what is played begins the line, not what was visited most
        (1, [6, 2, 3, 1, 2], [2, 4]),
        (2, [6, 2, 3, 1, 1], []),  # what was not tried leads nowhere
    ],
)
def test_the_principal_line_follows_what_is_played_and_then_what_was_visited_most(
    chosen: int, visits: list[int], line: list[int]
) -> None:
    life, envs, _ = searched("vector", "tree")
    whole = life.planner.explain(int(envs[0]))
    per_node = ("depths", "rewards", "values", "predicted_values", "priors", "block_table")
    smaller: dict[str, Any] = {name: getattr(whole, name)[: len(visits)] for name in per_node}
    smaller |= {"parents": np.array([-1, 0, 0, 2, 2]), "actions": np.array([-1, 0, 1, 0, 2])}
    assert replace(whole, **smaller, visits=np.array(visits), chosen=chosen).principal_line == line


def test_all_of_a_record_becomes_json() -> None:
    life, envs, _ = searched("continuous", "tree_native")
    record = life.planner.explain(int(envs[1]))
    found = json.loads(json.dumps(record.to_json()))
    assert set(found) == {field.name for field in fields(SearchRecord)} | {"principal_line"}
    for name, array in record.arrays().items():
        np.testing.assert_array_equal(np.array(found[name], array.dtype), array)
    assert found["principal_line"] == record.principal_line
    assert {name for name in found if isinstance(found[name], list)} - {"principal_line"} == set(record.arrays())


def test_an_agent_explains_its_last_action() -> None:
    agent = agent_of(2)
    for seen in looks(4, 2):
        actions = agent.act(seen)
        assert [agent.explain(env).chosen for env in range(2)] == actions.tolist()
    assert agent.explain().num_tokens == 7


@pytest.mark.parametrize("env", [-1, 2])
def test_what_was_not_searched_is_not_explained(env: int) -> None:
    agent = agent_of(2)
    with pytest.raises(SearchError, match=r"environment 0 to explain.*below none"):
        agent.explain()
    agent.act(looks(1, 2)[0])
    with pytest.raises(SearchError, match=r"below \[0, 1\]"):
        agent.explain(env)


def test_an_action_that_was_known_has_no_search_to_explain() -> None:
    results, (seen,) = ResultCache(), looks(1, 1)
    for agent, is_searched in ((agent_of(), True), (agent_of(), False)):
        agent.act(seen, results=results)
        if is_searched:
            assert agent.explain().num_tokens == 1
        else:
            with pytest.raises(SearchError, match="below none"):
                agent.explain()


def test_a_search_is_not_explained_once_something_else_was_seen() -> None:
    life, envs, _ = searched("vector", "tree")
    with pytest.raises(SearchError, match=r"below \[2, 0\]"):
        life.planner.explain(1)
    life.observe(envs[:1])
    with pytest.raises(SearchError, match="below none"):
        life.planner.explain(int(envs[1]))


def test_the_discount_of_a_record_is_that_of_its_search() -> None:
    network = tiny_network()
    planner = Planner(network, AgentConfig(model=MODEL, search=SearchConfig(num_simulations=4)), num_envs=1)
    planner.set_discount(0.5)
    planner.observe(np.array([0]), looks(1, 1)[0], actions=np.zeros(1, np.int64), starts=np.ones(1, bool))
    planner.plan(np.array([0]), np.ones((1, network.spec.num_actions), bool), rng=None)
    record = planner.explain(0)
    assert record.discount == 0.5
    assert record.predicted_values[0] == pytest.approx(planner.engine.readings(np.array([0])).values.item(), abs=1e-6)


def test_a_discount_that_moves_after_a_search_changes_nothing_of_what_it_thought() -> None:
    life, envs, _ = searched("vector", "tree")
    before = json.dumps(life.planner.explain(int(envs[0])).to_json())
    life.planner.set_discount(0.5)
    assert json.dumps(life.planner.explain(int(envs[0])).to_json()) == before


def test_a_search_before_contexts_were_loaded_is_not_explained(tmp_path: Path) -> None:
    """Its trees would be shown beside other roots."""
    life, envs, _ = searched("vector", "tree")
    life.planner.save_contexts(tmp_path / "planner")
    agent = agent_of(2)
    agent.act(looks(1, 2)[0])
    agent.save_contexts(tmp_path / "agent")
    for holder, env, folder in ((life.planner, int(envs[0]), "planner"), (agent, 1, "agent")):
        holder.explain(env)
        holder.load_contexts(tmp_path / folder)
        with pytest.raises(SearchError, match="below none"):
            holder.explain(env)


def test_nothing_is_gathered_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a record was made")

    monkeypatch.setattr(planner_module, "make_record", fail)
    agent = agent_of()
    for seen in looks(3, 1):
        agent.act(seen[0])
    with pytest.raises(AssertionError, match="a record was made"):
        agent.explain()
