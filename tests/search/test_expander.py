"""What the search refuses: roots and evaluations of another shape, another type, or with numbers that are none."""

from typing import Any

import numpy as np
import pytest
from tests.search.models import bandit, flat_roots, forged

from kvzero.errors import KvzeroError, SearchError
from kvzero.search import Evaluation, Leaves, Roots, SearchConfig, search

CONFIG = SearchConfig(num_simulations=4)
NUM_ENVS, NUM_ACTIONS = 3, 2


def roots_with(**fields: Any) -> Roots:
    good = flat_roots(NUM_ENVS, NUM_ACTIONS)
    whole = {"logits": good.logits, "values": good.values, "action_masks": good.action_masks}
    return forged(Roots, **whole | fields)


class FailsLater:
    """A model whose third evaluation has something else in it."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.num_calls = 0

    def expand(self, leaves: Leaves) -> Evaluation:
        self.num_calls += 1
        whole = {
            "rewards": np.zeros(NUM_ENVS, np.float32),
            "values": np.zeros(NUM_ENVS, np.float32),
            "logits": np.zeros((NUM_ENVS, NUM_ACTIONS), np.float32),
        }
        return forged(Evaluation, **(whole | self.fields if leaves.node == 3 else whole))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"logits": np.zeros((NUM_ENVS, 5), np.float32)}, r"logits of roots has shape \(3, 5\).*give shape \(3, 2\)"),
        ({"logits": np.zeros((NUM_ENVS, NUM_ACTIONS))}, "logits of roots .* type float64; .* type float32"),
        ({"values": np.zeros((NUM_ENVS, 1), np.float32)}, r"values of roots has shape \(3, 1\)"),
        ({"values": [0.0] * NUM_ENVS}, "values of roots is a list; give a NumPy array"),
        ({"action_masks": np.ones((NUM_ENVS, NUM_ACTIONS))}, "action_masks of roots .* give .* type bool"),
        (
            {"action_masks": np.ones(NUM_ENVS, np.bool_)},
            r"action_masks of roots has shape \(3,\); give \[env, action\]",
        ),
        ({"values": np.float32([0, 0, np.nan])}, "value nan .* root 2 are not all finite"),
        ({"logits": np.float32([[0, 0], [0, -np.inf], [0, 0]])}, "logits .*-inf.* root 1 are not all finite"),
        (
            {"action_masks": np.array([[True, True], [False, False], [True, False]])},
            "environment 1 has no legal action",
        ),
    ],
)
def test_roots_that_no_tree_can_grow_from_are_refused(fields: dict[str, Any], message: str) -> None:
    model = bandit([0.0] * NUM_ACTIONS, NUM_ENVS)
    with pytest.raises(SearchError, match=message):
        search(roots_with(**fields), model, CONFIG, rng=None)
    assert model.asked == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rewards": np.zeros(5, np.float32)}, r"rewards of the evaluation has shape \(5,\).*give shape \(3,\)"),
        ({"rewards": np.zeros((NUM_ENVS, 1), np.float32)}, r"rewards .* shape \(3, 1\)"),
        ({"values": np.zeros(NUM_ENVS)}, "values .* type float64; .* type float32"),
        ({"values": np.zeros(NUM_ENVS, np.int64)}, "values .* type int64"),
        ({"logits": np.zeros((NUM_ACTIONS, NUM_ENVS), np.float32)}, r"logits .* shape \(2, 3\)"),
        ({"logits": None}, "logits of the evaluation is a NoneType; give a NumPy array"),
        ({"rewards": np.float32([0, np.nan, 0])}, "node 3 of environment 1 is not finite: reward nan"),
        ({"values": np.float32([0, 0, np.inf])}, "node 3 of environment 2 is not finite: .*value inf"),
        ({"logits": np.float32([[-np.inf, 0], [0, 0], [0, 0]])}, "node 3 of environment 0 is not finite: .*-inf"),
        ({"logits": np.float32([[0, 0], [0, 0], [0, np.nan]])}, "node 3 of environment 2 is not finite: .*nan"),
    ],
)
def test_an_evaluation_that_does_not_fit_is_refused_when_it_comes(fields: dict[str, Any], message: str) -> None:
    model = FailsLater(**fields)
    with pytest.raises(SearchError, match=message):
        search(flat_roots(NUM_ENVS, NUM_ACTIONS), model, CONFIG, rng=None)
    assert model.num_calls == 3


def test_extreme_but_finite_predictions_are_searched() -> None:
    most = np.finfo(np.float32).max
    model = FailsLater(
        rewards=np.full(NUM_ENVS, most), values=np.full(NUM_ENVS, -most), logits=np.float32([[most, -most]] * NUM_ENVS)
    )
    outcome = search(flat_roots(NUM_ENVS, NUM_ACTIONS), model, CONFIG, rng=None)
    assert np.isfinite(outcome.values).all()
    assert outcome.tree.priors[:, 3].tolist() == [[1.0, 0.0]] * NUM_ENVS


def test_what_a_model_raises_comes_through() -> None:
    class Broken:
        def expand(self, leaves: Leaves) -> Evaluation:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        search(flat_roots(NUM_ENVS, NUM_ACTIONS), Broken(), CONFIG, rng=None)


def test_search_errors_can_be_caught_as_what_they_are() -> None:
    assert issubclass(SearchError, KvzeroError)
    assert issubclass(SearchError, ValueError)
