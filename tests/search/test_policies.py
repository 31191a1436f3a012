"""Policies of visit counts, and the actions drawn from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kvzero.errors import SearchError
from kvzero.search.policies import greedy_actions, sample_actions, visit_policy

counts = arrays(np.int64, (3, 5), elements=st.integers(0, 1000)).filter(lambda visits: visits.any(axis=1).all())


@given(counts)
def test_at_temperature_1_the_policy_is_the_share_of_visits(visits: np.ndarray) -> None:
    np.testing.assert_allclose(visit_policy(visits, 1.0), visits / visits.sum(axis=1, keepdims=True))


@given(visits=counts, temperature=st.floats(1e-3, 100.0))
def test_a_policy_keeps_the_order_of_the_visits(visits: np.ndarray, temperature: float) -> None:
    policy = visit_policy(visits, temperature)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0)
    assert not policy[visits == 0].any()
    for row, probabilities in zip(visits, policy, strict=True):
        assert (np.diff(probabilities[np.argsort(row)]) >= 0).all()


def test_known_temperatures() -> None:
    visits = np.array([[1, 2, 0], [4, 4, 2]])
    np.testing.assert_allclose(visit_policy(visits, 0.5), [[1 / 5, 4 / 5, 0], [4 / 9, 4 / 9, 1 / 9]])
    np.testing.assert_allclose(visit_policy(visits, 1e-9), [[0, 1, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(visit_policy(visits, 5e-324), [[0, 1, 0], [0.5, 0.5, 0]])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(SearchError, match="give a positive one, or take greedy_actions"):
        visit_policy(np.array([[1, 2]]), temperature)


def test_an_environment_without_visits_is_refused() -> None:
    with pytest.raises(SearchError, match="environment 1 has no visits"):
        visit_policy(np.array([[1, 2], [0, 0]]), 1.0)


def test_greedy_takes_the_first_of_the_most_visited() -> None:
    assert greedy_actions(np.array([[1, 5, 5], [0, 0, 9], [2, 2, 2]])).tolist() == [1, 2, 0]


@given(visits=counts, seed=st.integers(0, 2**32 - 1))
def test_an_action_without_visits_is_never_drawn(visits: np.ndarray, seed: int) -> None:
    actions = sample_actions(visit_policy(visits, 1.0), np.random.default_rng(seed))
    assert (visits[np.arange(3), actions] > 0).all()


class Lowest(np.random.Generator):
    """Draws the lowest number there is, which real ones do once in 2^53."""

    def random(self, size: object = None, *_: object) -> np.ndarray:
        return np.zeros(size)


def test_even_the_lowest_draw_takes_an_action_with_visits() -> None:
    assert sample_actions(np.array([[0.0, 0.0, 0.4, 0.6]]), Lowest(np.random.PCG64(0))).tolist() == [2]


def test_actions_are_drawn_as_often_as_the_policy_says() -> None:
    policy = np.array([0.1, 0.0, 0.6, 0.3])
    actions = sample_actions(np.tile(policy, (20_000, 1)), np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(actions, minlength=4) / 20_000, policy, atol=0.01)


def test_draws_follow_the_seed() -> None:
    policy = np.full((50, 4), 0.25)
    first, again = (sample_actions(policy, np.random.default_rng(3)).tolist() for _ in range(2))
    assert first == again
