"""Searches whose outcome is known: bandits, chains, ties, seeds and sizes at the limits."""

import numpy as np
import pytest
from tests.search.models import PathModel, bandit, flat_roots, hashed_answers
from tests.search.twin import Answer, Path

from kvzero.search import Evaluation, Leaves, PuctConfig, Roots, SearchConfig, search
from kvzero.search.rules import PuctRule
from kvzero.search.tree import back_up, plant


def seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("best", range(5))
@pytest.mark.parametrize("seed", [None, 0])
def test_a_bandits_best_arm_is_found(best: int, seed: int | None) -> None:
    rewards = [0.1, -0.4, 0.0, 0.3, 0.2]
    rewards[best] = 1.0
    rng = None if seed is None else seeded(seed)
    outcome = search(flat_roots(3, 5), bandit(rewards, 3), SearchConfig(num_simulations=200), rng=rng)
    assert (outcome.actions == best).all()
    assert (outcome.visit_counts[:, best] > 100).all()
    np.testing.assert_allclose(outcome.action_values, [rewards] * 3, rtol=1e-6)


@pytest.mark.parametrize(("discount", "best"), [(0.9, 1), (0.4, 0)])
def test_a_late_reward_is_weighed_against_an_early_one_by_the_discount(discount: float, best: int) -> None:
    def ask(path: Path) -> Answer:
        return {(0,): 0.5, (1, 0): 1.0, (1, 1): 1.0}.get(path, 0.0), 0.0, [0.0, 0.0]

    config = SearchConfig(num_simulations=300, discount=discount)
    outcome = search(flat_roots(1, 2), PathModel([ask]), config, rng=None)
    assert outcome.actions == [best]
    assert outcome.action_values[0, 0] == pytest.approx(0.5)


def test_without_any_difference_all_actions_are_visited_alike() -> None:
    outcome = search(flat_roots(2, 4), bandit([0.0] * 4, 2), SearchConfig(num_simulations=4 * 7), rng=None)
    assert (outcome.visit_counts == 7).all()


def test_without_rewards_visits_follow_the_prior() -> None:
    prior = np.array([0.5, 0.3, 0.15, 0.05])
    roots = Roots(np.float32(np.log(prior))[None], np.zeros(1, np.float32), np.ones((1, 4), np.bool_))
    outcome = search(roots, bandit([0.0] * 4), SearchConfig(num_simulations=400), rng=None)
    np.testing.assert_allclose(outcome.visit_counts[0] / 400, prior, atol=0.01)


def test_the_first_descent_takes_the_likeliest_action() -> None:
    roots = Roots(np.float32([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.zeros(2, np.float32), np.ones((2, 3), np.bool_))
    outcome = search(roots, bandit([1.0, 0.0, 0.0], 2), SearchConfig(num_simulations=1), rng=None)
    assert outcome.visit_counts.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_three_simulations_worked_out_by_hand() -> None:
    """Priors 1/2; action 0 earns 1, values are 0, root value 0.5, discount 0.5.

    1: a tie, action 0. Its Q is 1, the only bound; the root's mean is (0.5 + 1) / 2 = 0.75.
    2: Both actions' values scale to 0 (1 at the bound, 0.75 below it); action 1 has fewer visits and wins. Its Q is 0;
       the root's mean is 1.5 / 3 = 0.5.
    3: now 0 scales to 1 and wins; below it, two fresh actions tie. The return is 1.
    """
    outcome = search(
        flat_roots(1, 2, value=0.5), bandit([1.0, 0.0]), SearchConfig(num_simulations=3, discount=0.5), rng=None
    )
    assert outcome.visit_counts.tolist() == [[2, 1]]
    assert outcome.values.tolist() == [2.5 / 4]
    assert outcome.action_values.tolist() == [[1.0, 0.0]]
    assert outcome.tree.parents.tolist() == [[-1, 0, 0, 1]]
    assert outcome.tree.actions.tolist() == [[-1, 0, 1, 0]]


def test_an_action_not_tried_has_the_mean_value_of_the_root() -> None:
    outcome = search(flat_roots(1, 3, value=2.0), bandit([4.0, 0.0, 0.0]), SearchConfig(num_simulations=1), rng=None)
    assert outcome.action_values.tolist() == [[4.0, 3.0, 3.0]]


def test_a_single_action_makes_a_chain() -> None:
    config = SearchConfig(num_simulations=800, discount=1.0)
    model = PathModel([lambda path: (1.0, 0.0, [0.0])] * 2)
    outcome = search(flat_roots(2, 1), model, config, rng=seeded(0))
    assert outcome.tree.depths.tolist() == [list(range(801))] * 2
    assert outcome.visit_counts.tolist() == [[800]] * 2
    np.testing.assert_allclose(outcome.values, np.arange(801).mean())
    assert (outcome.tree.priors == 1.0).all()


@pytest.mark.parametrize(("num_envs", "num_actions"), [(1, 1), (1, 18), (7, 3)])
def test_one_simulation_is_enough(num_envs: int, num_actions: int) -> None:
    model = bandit([1.0] * num_actions, num_envs)
    outcome = search(flat_roots(num_envs, num_actions), model, SearchConfig(num_simulations=1), rng=seeded(3))
    assert (outcome.visit_counts.sum(axis=1) == 1).all()
    np.testing.assert_allclose(outcome.values, 0.5)


def test_thousands_of_simulations_keep_their_books() -> None:
    num_simulations = 3000
    asks = [hashed_answers(5, env, 4, grain=0.5) for env in range(2)]
    outcome = search(flat_roots(2, 4), PathModel(asks), SearchConfig(num_simulations=num_simulations), rng=seeded(1))
    tree = outcome.tree
    assert (outcome.visit_counts.sum(axis=1) == num_simulations).all()
    for env in range(2):
        below = np.bincount(tree.parents[env, 1:], weights=tree.visit_counts[env, 1:], minlength=num_simulations + 1)
        np.testing.assert_array_equal(tree.visit_counts[env], below + 1)


def test_a_seed_decides_everything() -> None:
    def run(seed: int) -> list[list[int]]:
        asks = [hashed_answers(9, env, 5) for env in range(3)]
        config = SearchConfig(num_simulations=40)
        return search(flat_roots(3, 5), PathModel(asks), config, rng=seeded(seed)).visit_counts.tolist()

    assert run(4) == run(4)
    assert run(4) != run(5)


def test_equal_actions_are_chosen_at_random_when_collecting_and_the_first_is_when_evaluating() -> None:
    config = SearchConfig(num_simulations=2, puct=PuctConfig(noise_weight=0.0))
    roots = flat_roots(200, 3)
    roots.action_masks[:, 0] = False
    collecting = search(roots, bandit([0.0] * 3, 200), config, rng=seeded(0)).tree.actions
    evaluating = search(roots, bandit([0.0] * 3, 200), config, rng=None).tree.actions
    assert np.bincount(collecting[:, 1]).tolist()[0] == 0
    assert (np.bincount(collecting[:, 1])[1:] > 70).all()
    assert (evaluating[:, 1] == 1).all()
    assert (evaluating[:, 2] == 2).all()


def test_a_small_difference_of_values_does_not_outweigh_the_prior() -> None:
    roots = Roots(np.float32([[0.0, 1.0]]), np.zeros(1, np.float32), np.ones((1, 2), np.bool_))
    favours = {}
    for floor in (0.01, 1e-9):
        config = SearchConfig(num_simulations=100, min_value_range=floor)
        favours[floor] = search(roots, bandit([1e-5, 0.0]), config, rng=None).actions[0]
    assert favours == {0.01: 1, 1e-9: 0}


def test_what_a_model_was_asked_is_never_overwritten() -> None:
    model = PathModel([hashed_answers(2, 0, 3), hashed_answers(2, 1, 3)])
    tree = search(flat_roots(2, 3), model, SearchConfig(num_simulations=20), rng=None).tree
    for leaves in model.asked:
        np.testing.assert_array_equal(leaves.parents, tree.parents[:, leaves.node])
        np.testing.assert_array_equal(leaves.actions, tree.actions[:, leaves.node])
        np.testing.assert_array_equal(leaves.depths, tree.depths[:, leaves.node])


def test_the_roots_are_left_as_they_were() -> None:
    roots = flat_roots(2, 3)
    roots.action_masks[0, 1] = False
    outcome = search(roots, bandit([0.0] * 3, 2), SearchConfig(num_simulations=5), rng=seeded(0))
    assert not roots.logits.any()
    assert not np.shares_memory(roots.action_masks, outcome.tree.action_masks)


class Awkward(PathModel):
    """A model that hands out read-only views with gaps, into arrays that it uses again."""

    def expand(self, leaves: Leaves) -> Evaluation:
        evaluation = super().expand(leaves)
        if leaves.node == 1:
            num_envs, num_actions = evaluation.logits.shape
            self.kept = np.zeros((num_actions + 2, num_envs), np.float32)
        self.kept[:] = np.vstack([evaluation.rewards, evaluation.values, evaluation.logits.T])
        view = self.kept.view()
        view.flags.writeable = False
        return Evaluation(view[0], view[1], view[2:].T)


def test_neither_memory_layout_nor_number_types_cost_another_compilation() -> None:
    asks = [hashed_answers(8, env, 4) for env in range(3)]
    config = SearchConfig(num_simulations=15, discount=1.0)
    plain = search(flat_roots(3, 4), PathModel(asks), config, rng=None)
    before = [len(kernel.signatures) for kernel in (plant, PuctRule.kernels.select, back_up)]
    roots = flat_roots(3, 4)
    gaps = Roots(
        np.asfortranarray(roots.logits), np.zeros((3, 2), np.float32)[:, 1], np.asfortranarray(roots.action_masks)
    )
    awkward = search(gaps, Awkward(asks), config, rng=None)
    np.testing.assert_array_equal(plain.visit_counts, awkward.visit_counts)
    np.testing.assert_array_equal(plain.values, awkward.values)
    assert before == [1, 1, 1] == [len(kernel.signatures) for kernel in (plant, PuctRule.kernels.select, back_up)]
