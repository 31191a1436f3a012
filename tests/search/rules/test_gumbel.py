"""Gumbel: what is considered at the root, what is played and learnt, and searches with hardly anything to choose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.models import PathModel, bandit, flat_roots, hashed_answers
from tests.search.rules.table_model import TableModel, Tables

from kvzero.search import Evaluation, GumbelConfig, Leaves, Roots, SearchConfig, search
from kvzero.search.rules import GumbelRule
from kvzero.search.rules.gumbel import considered_visits


def gumbel_config(num_simulations: int = 16, *, considered: int = 16, **settings: float) -> SearchConfig:
    gumbel = GumbelConfig(num_considered_actions=considered)
    return SearchConfig(num_simulations=num_simulations, rule="gumbel", gumbel=gumbel, **settings)


class ZeroModel:
    """An expander to which everything is worth nothing, with four actions."""

    def expand(self, leaves: Leaves) -> Evaluation:
        zeros = np.zeros(len(leaves.parents), np.float32)
        return Evaluation(zeros, zeros, np.zeros((len(zeros), 4), np.float32))


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def test_simulations_are_shared_among_halves() -> None:
    table = considered_visits(8, 24)
    assert table[0].tolist() == list(range(24))
    assert table[1].tolist() == [visits for visits in range(12) for _ in range(2)]
    assert table[3].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [visits for visits in range(3, 9) for _ in range(2)]
    assert table[7].tolist() == [0] * 8 + [1] * 4 + [2] * 4 + [visits for visits in range(3, 7) for _ in range(2)]
    assert considered_visits(8, 3)[7].tolist() == [0, 0, 0]


@given(st.integers(1, 20), st.integers(1, 60))
def test_there_always_is_an_action_to_consider(num_considered: int, num_simulations: int) -> None:
    visits = np.zeros(num_considered, int)
    for wanted in considered_visits(num_considered, num_simulations)[-1]:
        visits[np.flatnonzero(visits == wanted)[0]] += 1
    assert visits.sum() == num_simulations


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 20), st.booleans())
def test_what_is_learnt_is_the_policy_improved_by_completed_values(
    seed: int, num_actions: int, num_simulations: int, is_exploring: bool
) -> None:
    tables, config = Tables.draw(seed, num_actions), gumbel_config(num_simulations)
    roots = tables.roots(np.ones((2, num_actions), bool))
    rng = np.random.default_rng(seed) if is_exploring else None
    outcome = search(roots, TableModel(tables, 2, num_simulations), config, rng=rng)
    for env in range(2):
        visits, values = outcome.visit_counts[env], outcome.action_values[env].copy()
        prior, tried = softmax(roots.logits[env].astype(float)), visits > 0
        mean = (prior * values)[tried].sum() / prior[tried].sum()
        values[~tried] = (roots.values[env] + visits.sum() * mean) / (1 + visits.sum())
        scaled = (50 + visits.max()) * 0.1 * values / max(values.max() - values.min(), 0.01)
        np.testing.assert_allclose(outcome.policy[env], softmax(np.log(prior) + scaled), rtol=1e-6)
        assert visits[outcome.chosen[env]] == visits.max()


def test_with_one_simulation_actions_are_drawn_from_the_policy() -> None:
    logits = np.array([0.5, -1.0, 1.0, 3.0], np.float32)
    mask, num_envs = np.array([True, True, True, False]), 20_000
    roots = Roots(np.tile(logits, (num_envs, 1)), np.zeros(num_envs, np.float32), np.tile(mask, (num_envs, 1)))
    outcome = search(roots, ZeroModel(), gumbel_config(1), rng=np.random.default_rng(3))
    shares = np.bincount(outcome.chosen, minlength=4) / num_envs
    np.testing.assert_allclose(shares, [*softmax(logits[:3]), 0], atol=0.015)


def test_where_all_values_are_equal_the_policy_stays_as_it_is() -> None:
    logits = np.array([[0.5, -1.0, 1.0, 3.0]], np.float32)
    roots = Roots(logits, np.zeros(1, np.float32), np.ones((1, 4), bool))
    outcome = search(roots, ZeroModel(), gumbel_config(9), rng=None)
    np.testing.assert_allclose(outcome.policy, softmax(logits.astype(float)), rtol=1e-12)
    assert outcome.actions.tolist() == [3]
    assert outcome.visit_counts.tolist() == [[1, 1, 3, 4]]


def test_a_single_legal_action_is_played_and_learnt() -> None:
    roots = flat_roots(2, 3)
    roots.action_masks[:] = [False, True, False]
    outcome = search(roots, bandit([5.0, 0.0, 0.0], 2), gumbel_config(7), rng=np.random.default_rng(0))
    assert outcome.actions.tolist() == [1, 1]
    assert outcome.policy.tolist() == [[0, 1, 0]] * 2
    assert outcome.visit_counts.tolist() == [[0, 7, 0]] * 2
    single = search(flat_roots(1, 1), bandit([1.0]), gumbel_config(7), rng=np.random.default_rng(0))
    assert (single.actions.tolist(), single.policy.tolist()) == ([0], [[1.0]])


def test_illegal_actions_are_neither_tried_nor_learnt() -> None:
    asks = [hashed_answers(2, env, 5) for env in range(3)]
    roots = flat_roots(3, 5)
    roots.action_masks[:] = [[True, False, True, True, False], [False, False, True, True, True], [True] * 5]
    outcome = search(roots, PathModel(asks), gumbel_config(11), rng=np.random.default_rng(1))
    assert not outcome.visit_counts[~roots.action_masks].any()
    assert not outcome.policy[~roots.action_masks].any()
    np.testing.assert_allclose(outcome.policy.sum(axis=1), 1.0, rtol=1e-12)


def test_no_more_actions_are_considered_than_there_are() -> None:
    asks = [hashed_answers(4, env, 5) for env in range(2)]
    outcomes = [
        search(flat_roots(2, 5), PathModel(asks), gumbel_config(20, considered=number), rng=np.random.default_rng(1))
        for number in (5, 6, 1_000_000)
    ]
    for outcome in outcomes[1:]:
        np.testing.assert_array_equal(outcome.visit_counts, outcomes[0].visit_counts)
        np.testing.assert_array_equal(outcome.policy, outcomes[0].policy)


def test_no_more_actions_are_tried_at_the_root_than_are_considered() -> None:
    asks = [hashed_answers(4, env, 5) for env in range(2)]
    outcome = search(flat_roots(2, 5), PathModel(asks), gumbel_config(20, considered=3), rng=np.random.default_rng(1))
    assert ((outcome.visit_counts > 0).sum(axis=1) == 3).all()


@pytest.mark.parametrize("gap", [800.0, 3e38])
def test_a_prior_of_nothing_harms_nothing(gap: float) -> None:
    """An exponential of such a gap is 0, and a value of an illegal action is far above those of legal ones."""
    roots = flat_roots(1, 4, value=1e6)
    roots.logits[0, 1], roots.action_masks[0, 0] = -gap, False
    config = SearchConfig(num_simulations=300, rule="gumbel", gumbel=GumbelConfig(c_visit=1e6))
    outcome = search(roots, bandit([1.0, 0.0, 2.0, 0.0]), config, rng=None)
    assert np.isfinite(outcome.policy).all()
    np.testing.assert_allclose(outcome.policy.sum(), 1.0)
    assert outcome.visit_counts.sum() == 300
    assert outcome.visit_counts[0, 0] == 0


def test_neither_a_temperature_nor_ties_leave_anything_to_chance() -> None:
    asks = [hashed_answers(1, env, 4) for env in range(3)]
    outcomes = [
        search(
            flat_roots(3, 4), PathModel(asks), gumbel_config(23), rng=np.random.default_rng(4), temperature=temperature
        )
        for temperature in (None, 0.1, 1e6)
    ]
    for outcome in outcomes:
        np.testing.assert_array_equal(outcome.actions, outcomes[0].actions)
        np.testing.assert_array_equal(outcome.policy, outcomes[0].policy)
        assert not outcome.tree.tie_keys.any()


def test_kernels_are_compiled_once_for_all_settings() -> None:
    search(flat_roots(1, 2), bandit([0.0, 1.0]), gumbel_config(), rng=None)
    before = list(GumbelRule.kernels.select.signatures)
    for num_simulations, considered in ((3, 2), (5, 16)):
        for rng in (None, np.random.default_rng(0)):
            config = gumbel_config(num_simulations, considered=considered, min_value_range=1.0)
            search(flat_roots(1, 2), bandit([0.0, 1.0]), config, rng=rng)
    assert GumbelRule.kernels.select.signatures == before
    assert len(before) == 1
