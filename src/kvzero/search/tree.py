"""The trees of one search as arrays, and the compiled functions that descend them and back up what was found.

One simulation adds one node to every tree: `select` goes down from the root, at each node to the action that the rule
finds best, until it meets one that was not tried, and hangs the new node there; the model evaluates it; `back_up`
stores that and goes up again, telling every node above what the new one is worth. All trees add their nodes in step,
so that one call of the model serves them all.
"""

from collections.abc import Callable
from math import exp, inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from kvzero.search.compiled import call_address, compiled

__all__ = [
    "UNVISITED",
    "Kernels",
    "Tree",
    "allocate_tree",
    "back_up",
    "build_kernels",
    "edge_value",
    "plant",
    "scaled_value",
]

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


def allocate_tree(action_masks: Bool[np.ndarray, "env action"], num_nodes: int) -> Tree:
    """Return trees without any node, and with room for `num_nodes`."""
    num_envs, num_actions = action_masks.shape
    nodes, edges = (num_envs, num_nodes), (num_envs, num_nodes, num_actions)
    return Tree(
        parents=np.full(nodes, UNVISITED),
        actions=np.full(nodes, UNVISITED),
        depths=np.zeros(nodes, np.int64),
        rewards=np.zeros(nodes),
        value_sums=np.zeros(nodes),
        visit_counts=np.zeros(nodes, np.int64),
        children=np.full(edges, UNVISITED),
        priors=np.zeros(edges),
        tie_keys=np.zeros(edges, np.float32),
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


class Kernels(NamedTuple):
    """The compiled functions of one rule."""

    select: Callable[[Tree, Any, int], None]
    """`select(tree, numbers, node)` descends every tree to an action that was not tried, and hangs the node there."""

    grow: Callable[..., tuple[int, int]]
    """`grow(tree, numbers, function, state, rewards, values, logits)` grows planted trees to their full size.

    It asks the machine code at address `function` (see `MachineCode`) with `state`, and stops at an evaluation that is
    not finite: it returns its node and environment, or -1 for both. The last evaluation is in the last three.
    """


def build_kernels(best_action: Callable[[Tree, Any, int, int], int]) -> Kernels:
    """Return the kernels of a rule that selects `best_action(tree, numbers, env, node)`, itself `compiled`.

    It is inlined, as if it stood here: a whole search is one function to the compiler. `numbers` is a named tuple of
    the rule's own that has a `discount` in it.
    """

    @compiled
    def select(tree: Tree, numbers: Any, node: int) -> None:
        for env in range(tree.parents.shape[0]):
            parent = 0
            action = best_action(tree, numbers, env, parent)
            # A node that is there was evaluated; the first edge without one ends the descent (Schrittwieser et al.
            # 2020, appendix B). There always is such an edge: every simulation adds a node, and none is ever final.
            while tree.children[env, parent, action] != UNVISITED:
                parent = tree.children[env, parent, action]
                action = best_action(tree, numbers, env, parent)
            tree.children[env, parent, action] = node
            tree.parents[env, node] = parent
            tree.actions[env, node] = action
            tree.depths[env, node] = tree.depths[env, parent] + 1

    @compiled
    def grow(
        tree: Tree,
        numbers: Any,
        function: int,
        state: int,
        rewards: Float32[np.ndarray, " env"],
        values: Float32[np.ndarray, " env"],
        logits: Float32[np.ndarray, "env action"],
    ) -> tuple[int, int]:
        num_envs, num_nodes = tree.parents.shape
        questions = tree.parents.ctypes.data, tree.actions.ctypes.data, tree.depths.ctypes.data
        answers = rewards.ctypes.data, values.ctypes.data, logits.ctypes.data
        for node in range(1, num_nodes):
            select(tree, numbers, node)
            # The trees' own arrays go over, so that nothing is copied: the other side reads column `node` of each.
            call_address(function, (state, num_envs, num_nodes, node) + questions + answers)  # noqa: RUF005
            broken_env = back_up(tree, numbers.discount, node, rewards, values, logits)
            if broken_env >= 0:
                return node, broken_env
        return -1, -1

    return Kernels(select, grow)


@compiled
def scaled_value(value: float, low: float, high: float, min_value_range: float) -> float:
    """Return where `value` lies between `low` and `high`, from 0 to 1; 0 while there are no bounds (low > high)."""
    if low > high:
        return 0.0
    return min(max((value - low) / max(high - low, min_value_range), 0.0), 1.0)


@compiled
def edge_value(tree: Tree, discount: float, env: int, child: int) -> float:
    """Return the mean return of taking the action that leads to `child`."""
    mean_value = tree.value_sums[env, child] / tree.visit_counts[env, child]
    return float(tree.rewards[env, child] + discount * mean_value)


@compiled
def _back_up_path(tree: Tree, discount: float, env: int, node: int, value: float) -> None:
    """Count one visit with a return of `value` at `node`, and the discounted return at every node above it."""
    # G(k) = r(k) + discount * G(k+1), upwards (appendix B, equation 3). The mean of an edge is renewed with its node's
    # sums, before the node above reads the bounds by which it will scale it.
    while node != UNVISITED:
        tree.value_sums[env, node] += value
        tree.visit_counts[env, node] += 1
        if node != 0:  # no edge leads to the root
            found = edge_value(tree, discount, env, node)
            tree.bounds[env, 0] = min(tree.bounds[env, 0], found)
            tree.bounds[env, 1] = max(tree.bounds[env, 1], found)
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
    top = np.float64(logits.max())  # the largest exponent is 0: nothing overflows
    total = 0.0
    for action in range(logits.size):
        priors[action] = exp(np.float64(logits[action]) - top)
        total += priors[action]
    for action in range(logits.size):
        priors[action] /= total
