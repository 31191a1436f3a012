"""The trees of one search as arrays, and the compiled functions that descend them and back up what was found.

Both stand in one file because machine code kept on disk is renewed only when this file changes (see `compiled`).
"""

from math import exp, inf, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from kvzero.search.compiled import call_address, compiled

__all__ = ["Puct", "Tree", "allocate_tree", "back_up", "grow", "plant", "scaled_value", "select"]

UNVISITED = -1


class Tree(NamedTuple):
    """One tree for each environment. Node 0 is the root; simulation `s`, from 0, adds node `s + 1` to every tree."""

    parents: Int64[np.ndarray, "env node"]
    """Node above; -1 for the root and for nodes not added yet."""

    actions: Int64[np.ndarray, "env node"]
    """Action that leads here from the parent; -1 where there is no parent."""

    depths: Int64[np.ndarray, "env node"]
    """Environment steps below the root."""

    rewards: Float64[np.ndarray, "env node"]
    """Predicted reward of the action that leads here; 0 for the root."""

    value_sums: Float64[np.ndarray, "env node"]
    """Sum of the returns that were backed up through here; the node's own predicted value is the first."""

    visit_counts: Int64[np.ndarray, "env node"]
    """How often the node was visited; its own evaluation is the first visit."""

    children: Int64[np.ndarray, "env node action"]
    """Node below each action; -1 where the action was not tried yet."""

    priors: Float64[np.ndarray, "env node action"]
    """Policy at the node; at the root 0 for illegal actions, and with noise when collecting."""

    tie_keys: Float32[np.ndarray, "env node action"]
    """Which of several equal scores wins: the highest key, then the lowest action."""

    action_masks: Bool[np.ndarray, "env action"]
    """Which actions are legal at the root."""

    bounds: Float64[np.ndarray, "env 2"]
    """Lowest and highest reward + discount * value met on an edge of the tree; infinite before the first."""


class Puct(NamedTuple):
    """The numbers in the rule that chooses an action, see `select`."""

    discount: float
    pb_c_init: float
    pb_c_base: float
    min_value_range: float


def allocate_tree(
    action_masks: Bool[np.ndarray, "env action"], tie_keys: Float32[np.ndarray, "env node action"]
) -> Tree:
    """Return trees without any node, as large as `tie_keys`."""
    num_envs, num_nodes, _ = tie_keys.shape
    nodes, edges = (num_envs, num_nodes), tie_keys.shape
    return Tree(
        parents=np.full(nodes, UNVISITED),
        actions=np.full(nodes, UNVISITED),
        depths=np.zeros(nodes, np.int64),
        rewards=np.zeros(nodes),
        value_sums=np.zeros(nodes),
        visit_counts=np.zeros(nodes, np.int64),
        children=np.full(edges, UNVISITED),
        priors=np.zeros(edges),
        tie_keys=tie_keys,
        action_masks=action_masks,
        bounds=np.tile([inf, -inf], (num_envs, 1)),
    )


@compiled
def plant(tree: Tree, logits: Float32[np.ndarray, "env action"], values: Float32[np.ndarray, " env"]) -> None:
    """Make the roots, as visited once; the logits of illegal actions are minus infinity."""
    for env in range(values.size):
        _softmax(logits[env], tree.priors[env, 0])
        tree.value_sums[env, 0] = values[env]
        tree.visit_counts[env, 0] = 1


@compiled
def grow(
    tree: Tree,
    puct: Puct,
    function: int,
    state: int,
    rewards: Float32[np.ndarray, " env"],
    values: Float32[np.ndarray, " env"],
    logits: Float32[np.ndarray, "env action"],
) -> tuple[int, int]:
    """Grow planted trees to their full size, asking the machine code at address `function` (see `MachineCode`).

    Returns a node and an environment whose evaluation is not finite, where it stops, or -1 for both. The last
    evaluation is in `rewards`, `values` and `logits`.
    """
    num_envs, num_nodes = tree.parents.shape
    questions = tree.parents.ctypes.data, tree.actions.ctypes.data, tree.depths.ctypes.data
    answers = rewards.ctypes.data, values.ctypes.data, logits.ctypes.data
    for node in range(1, num_nodes):
        select(tree, puct, node)
        call_address(function, (state, num_envs, num_nodes, node) + questions + answers)  # noqa: RUF005
        broken_env = back_up(tree, puct.discount, node, rewards, values, logits)
        if broken_env >= 0:
            return node, broken_env
    return -1, -1


@compiled
def select(tree: Tree, puct: Puct, node: int) -> None:
    """Descend every tree to an action that was not tried, and hang the new `node` there.

    At each node the action with the highest score is taken (PUCT, Schrittwieser et al. 2020, equation 2):

        scaled Q(a) + P(a) * sqrt(N) / (1 + N(a)) * (c1 + log((N + c2 + 1) / c2))

    `N` counts the visits of the node itself, whose own evaluation is the first. It is thus one more than the sum over
    the children, and the prior already decides the first descent; mctx does the same.
    """
    for env in range(tree.parents.shape[0]):
        parent = 0
        action = _best_action(tree, puct, env, parent)
        while tree.children[env, parent, action] != UNVISITED:
            parent = tree.children[env, parent, action]
            action = _best_action(tree, puct, env, parent)
        tree.children[env, parent, action] = node
        tree.parents[env, node] = parent
        tree.actions[env, node] = action
        tree.depths[env, node] = tree.depths[env, parent] + 1


@compiled
def back_up(
    tree: Tree,
    discount: float,
    node: int,
    rewards: Float32[np.ndarray, " env"],
    values: Float32[np.ndarray, " env"],
    logits: Float32[np.ndarray, "env action"],
) -> int:
    """Store the evaluation of the new `node` of every tree, and tell all nodes above what it is worth.

    Returns -1, or the first environment whose evaluation is not finite; it stops there.
    """
    for env in range(values.size):
        if not _is_finite(rewards[env], values[env], logits[env]):
            return env
        _softmax(logits[env], tree.priors[env, node])
        tree.rewards[env, node] = rewards[env]
        _back_up_path(tree, discount, env, node, np.float64(values[env]))
    return -1


@compiled
def scaled_value(value: float, low: float, high: float, min_value_range: float) -> float:
    """Return where `value` lies between `low` and `high`, from 0 to 1; 0 while there are no bounds (low > high)."""
    if low > high:
        return 0.0
    return min(max((value - low) / max(high - low, min_value_range), 0.0), 1.0)


@compiled
def _best_action(tree: Tree, puct: Puct, env: int, node: int) -> int:
    """Return the action with the highest score, see `select`; an action not tried yet is valued as the node itself."""
    num_visits = tree.visit_counts[env, node]
    mean_value = tree.value_sums[env, node] / num_visits
    low, high = tree.bounds[env]
    weight = sqrt(num_visits) * (puct.pb_c_init + log((num_visits + puct.pb_c_base + 1.0) / puct.pb_c_base))
    best_action, best_score = -1, -inf
    for action in range(tree.priors.shape[2]):
        if node == 0 and not tree.action_masks[env, action]:
            continue
        child = tree.children[env, node, action]
        value, child_visits = mean_value, 0
        if child != UNVISITED:
            value, child_visits = _edge_value(tree, puct.discount, env, child), tree.visit_counts[env, child]
        score = scaled_value(value, low, high, puct.min_value_range)
        score += tree.priors[env, node, action] * weight / (1.0 + child_visits)
        is_tie_won = score == best_score and (tree.tie_keys[env, node, action] > tree.tie_keys[env, node, best_action])
        if best_action < 0 or score > best_score or is_tie_won:
            best_action, best_score = action, score
    return best_action


@compiled
def _edge_value(tree: Tree, discount: float, env: int, child: int) -> float:
    """Return the mean return of taking the action that leads to `child`."""
    mean_value = tree.value_sums[env, child] / tree.visit_counts[env, child]
    return float(tree.rewards[env, child] + discount * mean_value)


@compiled
def _back_up_path(tree: Tree, discount: float, env: int, node: int, value: float) -> None:
    """Count one visit with a return of `value` at `node`, and the discounted return at every node above it."""
    while node != UNVISITED:
        tree.value_sums[env, node] += value
        tree.visit_counts[env, node] += 1
        if node != 0:
            edge_value = _edge_value(tree, discount, env, node)
            tree.bounds[env, 0] = min(tree.bounds[env, 0], edge_value)
            tree.bounds[env, 1] = max(tree.bounds[env, 1], edge_value)
        value = tree.rewards[env, node] + discount * value
        node = tree.parents[env, node]


@compiled
def _is_finite(reward: float, value: float, logits: Float32[np.ndarray, " action"]) -> bool:
    """Whether an evaluation has neither infinity nor NaN in it."""
    is_finite = isfinite(reward) and isfinite(value)
    for logit in logits:
        is_finite = is_finite and isfinite(logit)
    return is_finite


@compiled
def _softmax(logits: Float32[np.ndarray, " action"], priors: Float64[np.ndarray, " action"]) -> None:
    """Write the probabilities of `logits` into `priors`, computed in float64."""
    top = np.float64(logits.max())
    total = 0.0
    for action in range(logits.size):
        priors[action] = exp(np.float64(logits[action]) - top)
        total += priors[action]
    for action in range(logits.size):
        priors[action] /= total
