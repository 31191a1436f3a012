"""Rules decide what is selected, played and learnt; one more is a class with a kernel of its own."""

from math import inf
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tests.search.models import PathModel, bandit, flat_roots, hashed_answers

from kvzero.errors import EngineError, SearchError
from kvzero.search import Decision, DeviceSearch, Rule, SearchConfig, Tree, device_rules, search
from kvzero.search import rules as rules_room
from kvzero.search.compiled import compiled
from kvzero.search.policies import sample_actions, visit_policy
from kvzero.search.rules import GumbelRule, PuctRule, make_rule
from kvzero.search.tree import UNVISITED, build_kernels


class EvenNumbers(NamedTuple):
    discount: float
    min_value_range: float
    first: int


@compiled
def select_fewest_visits(tree: Tree, numbers: EvenNumbers, env: int, node: int) -> int:
    best, fewest = -1, inf
    num_actions = tree.priors.shape[2]
    for shift in range(num_actions):
        action = (numbers.first + shift) % num_actions
        child = tree.children[env, node, action]
        visits = 0.0 if child == UNVISITED else float(tree.visit_counts[env, child])
        if visits < fewest and (node > 0 or tree.action_masks[env, action]):
            best, fewest = action, visits
    return best


class EvenRule:
    """Tries all actions equally often, beginning with a certain one; plays and learns the one of highest index."""

    kernels = build_kernels(select_fewest_visits)

    def __init__(self, config: SearchConfig) -> None:
        self._numbers = EvenNumbers(config.discount, config.min_value_range, 1)

    def begin(self, tree: Tree, rng: object) -> EvenNumbers:
        return self._numbers

    def decide(
        self, tree: Tree, numbers: EvenNumbers, visit_counts: np.ndarray, *, rng: object, temperature: float | None
    ) -> Decision:
        last = np.full(len(visit_counts), visit_counts.shape[1] - 1)
        return Decision(last, np.eye(visit_counts.shape[1])[last])


def test_a_rule_is_what_selects_plays_and_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(EvenRule(SearchConfig()), Rule)
    monkeypatch.setitem(rules_room.RULES, "puct", EvenRule)
    roots = flat_roots(2, 3)
    roots.action_masks[1, 1] = False
    outcome = search(roots, bandit([5.0, 0.0, 0.0], 2), SearchConfig(num_simulations=7), rng=None)
    assert outcome.visit_counts.tolist() == [[2, 3, 2], [3, 0, 4]]
    assert outcome.tree.actions[:, 1].tolist() == [1, 2]
    assert outcome.actions.tolist() == [2, 2]
    assert outcome.policy.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_puct_plays_and_learns_visits() -> None:
    asks = [hashed_answers(1, env, 4) for env in range(3)]
    config = SearchConfig(num_simulations=23)
    outcome = search(flat_roots(3, 4), PathModel(asks), config, rng=None)
    np.testing.assert_array_equal(outcome.policy, visit_policy(outcome.visit_counts, 1.0))
    np.testing.assert_array_equal(outcome.actions, outcome.visit_counts.argmax(axis=1))


def test_with_a_temperature_what_is_played_is_drawn_after_the_search() -> None:
    asks = [hashed_answers(1, env, 4) for env in range(3)]
    config, rng, twin = SearchConfig(num_simulations=23), np.random.default_rng(4), np.random.default_rng(4)
    drawn = search(flat_roots(3, 4), PathModel(asks), config, rng=rng, temperature=0.5)
    plain = search(flat_roots(3, 4), PathModel(asks), config, rng=twin)
    np.testing.assert_array_equal(drawn.visit_counts, plain.visit_counts)
    np.testing.assert_array_equal(drawn.actions, sample_actions(visit_policy(plain.visit_counts, 0.5), twin))
    np.testing.assert_array_equal(drawn.policy, plain.policy)


@pytest.mark.parametrize(
    ("temperature", "message"), [(1.0, "no rng to draw actions with"), (0.0, "give a positive one")]
)
def test_a_temperature_that_cannot_work_is_refused(temperature: float, message: str) -> None:
    rng = None if temperature else np.random.default_rng(0)
    with pytest.raises(SearchError, match=message):
        search(flat_roots(1, 2), bandit([0.0, 1.0]), SearchConfig(num_simulations=2), rng=rng, temperature=temperature)


def test_a_search_on_the_device_refuses_a_rule_that_is_not_written_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(device_rules.HOST_HALVES, "gumbel")
    config = SearchConfig(num_simulations=2, rule="gumbel")
    with pytest.raises(EngineError, match="the rule is gumbel; searches on the device know puct only"):
        DeviceSearch(2, 3, config, device=torch.device("cpu"))


def test_the_rule_of_a_config_is_made() -> None:
    assert isinstance(make_rule(SearchConfig()), PuctRule)
    assert isinstance(make_rule(SearchConfig(rule="gumbel")), GumbelRule)
