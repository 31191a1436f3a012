"""One search from roots to what comes of it: the order in which trees, chance and model take their turns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from kvzero.errors import SearchError
from kvzero.search.config import SearchConfig
from kvzero.search.expander import CompiledExpander, Evaluation, Expander, Leaves, Roots, check_evaluation, check_roots
from kvzero.search.rules import Rule, make_rule
from kvzero.search.tree import UNVISITED, Tree, allocate_tree, back_up, plant

__all__ = ["Outcome", "read_outcome", "search"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found out about the roots, what to play and what to learn."""

    chosen: Int64[np.ndarray, " env"]
    """Index of the action at the root to play; see `actions`."""

    policy: Float64[np.ndarray, "env action"]
    """Probabilities of the actions at the root, to learn from."""

    visit_counts: Int64[np.ndarray, "env action"]
    """Visits of each action at the root; each row sums to the number of simulations."""

    values: Float64[np.ndarray, " env"]
    """Mean return at the root, the model's own value for it included; to learn from."""

    action_values: Float64[np.ndarray, "env action"]
    """Mean reward + discount * value of each action; the root's mean return for an action that was not tried."""

    tree: Tree
    """The whole tree, which no later search overwrites."""

    action_sets: Float32[np.ndarray, "env node action dim"] | None = None
    """Where actions are continuous, what each action index at each node of the tree stands for, from -1 to 1."""

    @property
    def actions(self) -> Shaped[np.ndarray, "env *dim"]:
        """What to play: numbers of actions, or vectors from -1 to 1 where actions are continuous."""
        if self.action_sets is None:
            return self.chosen
        actions: Shaped[np.ndarray, "env dim"] = self.action_sets[np.arange(len(self.chosen)), 0, self.chosen]
        return actions


def search(
    roots: Roots,
    expander: Expander | CompiledExpander,
    config: SearchConfig,
    *,
    rng: np.random.Generator | None,
    temperature: float | None = None,
) -> Outcome:
    """Grow a tree below each root, asking `expander` exactly `config.num_simulations` times, for all roots at once.

    Where `expander` is a `CompiledExpander`, the search runs as one piece of machine code, to the same result.

    With `rng` the search explores as its rule says, and the winner among equal scores is random. Without it nothing is
    left to chance, the lowest of equal actions wins, and the tree of an environment does not depend on which others are
    searched with it. With `temperature` the actions to play are drawn, the more evenly the higher it is; without, they
    are the best that was found. The rule gumbel knows no temperature. Statistics are float64.

    Raises:
        SearchError: if roots or an evaluation have another shape or type than they should, a number in them is not
            finite, a root has no legal action, or there is a temperature that is not positive or has no `rng`.
    """
    check_roots(roots)
    rule = make_rule(config)
    tree = _plant(roots, config.num_simulations)
    numbers = rule.begin(tree, rng)
    held = _allocate_evaluation(*roots.logits.shape)
    if isinstance(expander, CompiledExpander):
        code = expander.machine_code
        answers = held.rewards, held.values, held.logits
        node, broken_env = rule.kernels.grow(tree, numbers, code.function, code.state, *answers)
    else:
        node, broken_env = _grow(tree, rule, numbers, expander, held)
    if broken_env >= 0:
        raise SearchError(_describe(held, node, broken_env))
    return read_outcome(tree, rule, numbers, rng=rng, temperature=temperature)


def _grow(tree: Tree, rule: Rule, numbers: Any, expander: Expander, held: Evaluation) -> tuple[int, int]:
    """Do what `Kernels.grow` does, asking an expander in Python."""
    for node in range(1, tree.parents.shape[1]):
        rule.kernels.select(tree, numbers, node)
        _hold(expander.expand(_leaves(tree, node)), held)
        broken_env = back_up(tree, numbers.discount, node, held.rewards, held.values, held.logits)
        if broken_env >= 0:
            return node, broken_env
    return -1, -1


def _plant(roots: Roots, num_simulations: int) -> Tree:
    tree = allocate_tree(roots.action_masks.copy(), num_simulations + 1)
    legal_logits = roots.logits.copy()
    legal_logits[~tree.action_masks] = -np.inf
    plant(tree, legal_logits, roots.values.copy())
    return tree


def _leaves(tree: Tree, node: int) -> Leaves:
    return Leaves(node, tree.parents[:, node].copy(), tree.actions[:, node].copy(), tree.depths[:, node].copy())


def _allocate_evaluation(num_envs: int, num_actions: int) -> Evaluation:
    return Evaluation(
        np.zeros(num_envs, np.float32), np.zeros(num_envs, np.float32), np.zeros((num_envs, num_actions), np.float32)
    )


def _hold(evaluation: Evaluation, held: Evaluation) -> None:
    """Copy an evaluation, so that the compiled code sees one memory layout only: each other one costs a compilation."""
    check_evaluation(evaluation, *held.logits.shape)
    np.copyto(held.rewards, evaluation.rewards)
    np.copyto(held.values, evaluation.values)
    np.copyto(held.logits, evaluation.logits)


def _describe(held: Evaluation, node: int, env: int) -> str:
    return (
        f"the model's evaluation of node {node} of environment {env} is not finite: "
        f"reward {held.rewards[env]}, value {held.values[env]}, logits {held.logits[env]}"
    )


def read_outcome(
    tree: Tree, rule: Rule, numbers: Any, *, rng: np.random.Generator | None, temperature: float | None
) -> Outcome:
    """Return what a grown tree says about its root, and what the rule makes of it."""
    values = tree.value_sums[:, 0] / tree.visit_counts[:, 0]
    children = tree.children[:, 0]
    is_visited = children != UNVISITED
    rows = np.arange(len(children))[:, None]
    visit_counts = np.where(is_visited, tree.visit_counts[rows, children], 0)
    means = tree.value_sums[rows, children] / visit_counts.clip(min=1)
    action_values = np.where(is_visited, tree.rewards[rows, children] + numbers.discount * means, values[:, None])
    decision = rule.decide(tree, numbers, visit_counts, rng=rng, temperature=temperature)
    return Outcome(decision.chosen, decision.policy, visit_counts, values, action_values, tree)
