"""How far two searches are apart: equal ones are not, one number is enough, and early partings are infinite."""

from dataclasses import replace

import numpy as np
import pytest
from tests.search.models import Ask, PathModel, flat_roots, hashed_answers
from tests.search.twin import Answer, Path

from kvzero.engines.trials.distance import distance_of
from kvzero.search import Outcome, SearchConfig, search

NUM_ENVS, NUM_ACTIONS = 2, 3


def found(asks: list[Ask], num_simulations: int = 7) -> Outcome:
    config = SearchConfig(num_simulations=num_simulations)
    return search(flat_roots(NUM_ENVS, NUM_ACTIONS), PathModel(asks), config, rng=None)


def asks(seed: int = 0) -> list[Ask]:
    return [hashed_answers(seed, env, NUM_ACTIONS) for env in range(NUM_ENVS)]


def test_equal_searches_are_not_apart() -> None:
    assert distance_of(found(asks()), found(asks())) == 0.0


@pytest.mark.parametrize("name", ["rewards", "priors", "value_sums"])
@pytest.mark.parametrize("difference", [0.5, np.nan])
def test_one_number_of_one_node_is_enough(name: str, difference: float) -> None:
    wanted = found(asks())
    numbers = getattr(wanted.tree, name).copy()
    leaf = int(np.flatnonzero(wanted.tree.visit_counts[1] == 1)[0])
    numbers[1, leaf] += difference
    apart = distance_of(replace(wanted, tree=wanted.tree._replace(**{name: numbers})), wanted)
    assert np.isnan(apart) if np.isnan(difference) else apart > 0.05


def test_numbers_are_not_compared_below_where_the_searches_parted() -> None:
    def changed(path: Path) -> Answer:
        reward, value, logits = hashed_answers(0, 1, NUM_ACTIONS)(path)
        return (reward, value, [0.0, 0.0, 9.0]) if len(path) == 2 else (reward, value, logits)

    one, other = found(asks(), 3), found([asks()[0], changed], 3)
    assert distance_of(one, one) == 0.0
    assert distance_of(other, one) > 0.1


def test_a_node_below_another_action_is_another_node() -> None:
    wanted = found(asks())
    parents, actions, rewards = wanted.tree.parents, wanted.tree.actions.copy(), wanted.tree.rewards.copy()
    below = int(np.flatnonzero(parents[1] > 0)[0])
    actions[1, parents[1, below]] += 1
    rewards[1, [below, parents[1, below]]] += 50.0
    assert distance_of(replace(wanted, tree=wanted.tree._replace(actions=actions, rewards=rewards)), wanted) == 0.0


def test_searches_that_part_early_are_infinitely_far_apart() -> None:
    assert distance_of(found(asks(1)), found(asks(2))) == np.inf
