"""Kernels that descend every tree to an action that was not tried, and hang the new node there; one for each rule.

Import this file only where Triton is to be used. What holds for all kernels of a search stands in
`triton_operations.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import triton.language as tl
from torch import Tensor

from kvzero.search.config import RuleKind
from kvzero.search.device_tree import Workspace
from kvzero.search.kernels import kernel

__all__ = ["SELECTIONS", "Selection", "select_gumbel", "select_puct"]


class Selection(NamedTuple):
    """How a rule selects."""

    kernel: Any
    """Takes statistics and links of all trees, what is read beside them, the node and the sizes."""

    read: Callable[[Workspace], tuple[Tensor, ...]]
    """What is read beside the trees' statistics and links, in the order of the kernel's arguments."""


@kernel
def select_puct(  # noqa: PLR0913, PLR0917  # a kernel is handed every array by itself
    visit_counts: tl.tensor,
    value_sums: tl.tensor,
    rewards: tl.tensor,
    priors: tl.tensor,
    children: tl.tensor,
    parents: tl.tensor,
    actions: tl.tensor,
    depths: tl.tensor,
    bounds: tl.tensor,
    legal: tl.tensor,
    tie_keys: tl.tensor,
    exploration: tl.tensor,
    rule: tl.tensor,
    node: tl.tensor,
    num_nodes: tl.constexpr,
    num_actions: tl.constexpr,
    num_lanes: tl.constexpr,
) -> None:
    """Select as `rules.puct.select_action` does at each node, down to an edge without a node below."""
    # One program, one tree; its lanes are the actions, padded to a power of two. Addresses are eight bytes wide: the
    # arrays of many trees pass 2^31 numbers.
    env = tl.program_id(0).to(tl.int64)
    trees = env * num_nodes
    lanes = tl.arange(0, num_lanes)
    is_action = lanes < num_actions
    discount = tl.load(rule)
    low = tl.load(bounds + env * 2)
    span = tl.maximum(tl.load(bounds + env * 2 + 1) - low, tl.load(rule + 1))
    is_legal = tl.load(legal + env * num_actions + lanes, mask=is_action, other=0.0) != 0.0
    # Variables of a loop keep the type that they begin with. That of the edge is computed in each turn: a copy of
    # `here` would begin as what `here` begins with, and Triton 3.6 takes such a copy for something that never changes.
    here = env * 0
    edge = here
    while here >= 0:
        parent = here
        edges = (trees + parent) * num_actions
        num_visits = tl.load(visit_counts + trees + parent)
        mean = tl.load(value_sums + trees + parent) / num_visits.to(tl.float64)
        weight = tl.load(exploration + num_visits)
        below = tl.load(children + edges + lanes, mask=is_action, other=-1)
        is_tried = below >= 0
        num_below = tl.load(visit_counts + trees + below, mask=is_tried, other=0).to(tl.float64)
        sum_below = tl.load(value_sums + trees + below, mask=is_tried, other=0.0)
        reward = tl.load(rewards + trees + below, mask=is_tried, other=0.0)
        value = tl.where(is_tried, reward + discount * (sum_below / tl.maximum(num_below, 1.0)), mean)
        score = tl.minimum(tl.maximum((value - low) / span, 0.0), 1.0)
        prior = tl.load(priors + edges + lanes, mask=is_action, other=0.0)
        score += prior * weight / (1.0 + num_below)
        score = tl.where(is_action & (is_legal | (parent != 0)), score, -float("inf"))
        # Of equal scores the highest key wins, of equal keys the lowest action.
        tie_key = tl.load(tie_keys + edges + lanes, mask=is_action, other=-1.0)
        tie_key = tl.where(score == tl.max(score, axis=0), tie_key, -1.0)
        action = tl.min(tl.where(tie_key == tl.max(tie_key, axis=0), lanes, num_lanes), axis=0)
        edge = parent * num_actions + action
        here = tl.load(children + edges + action)
    parent = edge // num_actions
    depth = tl.load(depths + trees + parent) + 1
    tl.store(children + trees * num_actions + edge, node)
    tl.store(parents + trees + node, parent)
    tl.store(actions + trees + node, edge % num_actions)
    tl.store(depths + trees + node, depth)


@kernel
def select_gumbel(  # noqa: PLR0913, PLR0915, PLR0917  # a kernel is handed every array, and is one piece
    visit_counts: tl.tensor,
    value_sums: tl.tensor,
    rewards: tl.tensor,
    priors: tl.tensor,
    children: tl.tensor,
    parents: tl.tensor,
    actions: tl.tensor,
    depths: tl.tensor,
    legal: tl.tensor,
    root_scores: tl.tensor,
    schedule: tl.tensor,
    rule: tl.tensor,
    node: tl.tensor,
    num_nodes: tl.constexpr,
    num_actions: tl.constexpr,
    num_lanes: tl.constexpr,
) -> None:
    """Select as `rules.gumbel.select_action` does at each node, down to an edge without a node below."""
    # Programs, lanes and addresses are those of `select_puct`.
    env = tl.program_id(0).to(tl.int64)
    trees = env * num_nodes
    lanes = tl.arange(0, num_lanes)
    is_action = lanes < num_actions
    discount = tl.load(rule)
    min_value_range = tl.load(rule + 1)
    c_visit = tl.load(rule + 2)
    c_scale = tl.load(rule + 3)
    is_legal = tl.load(legal + env * num_actions + lanes, mask=is_action, other=0.0) != 0.0
    root_score = tl.load(root_scores + env * num_actions + lanes, mask=is_action, other=0.0)
    considered_visits = tl.load(schedule + env * (num_nodes - 1) + node - 1)
    # Variables of the loop are those of `select_puct`.
    here = env * 0
    edge = here
    while here >= 0:
        parent = here
        edges = (trees + parent) * num_actions
        num_visits = tl.load(visit_counts + trees + parent).to(tl.float64)
        below = tl.load(children + edges + lanes, mask=is_action, other=-1)
        is_tried = below >= 0
        num_below = tl.load(visit_counts + trees + below, mask=is_tried, other=0).to(tl.float64)
        sum_below = tl.load(value_sums + trees + below, mask=is_tried, other=0.0)
        reward = tl.load(rewards + trees + below, mask=is_tried, other=0.0)
        value = tl.where(is_tried, reward + discount * (sum_below / tl.maximum(num_below, 1.0)), 0.0)
        prior = tl.load(priors + edges + lanes, mask=is_action, other=0.0)
        # `note_values`: sigma of the completed values, the lowest being 0.
        prediction = tl.load(value_sums + trees + parent) - tl.sum(num_below * value, axis=0)
        weight = tl.where(is_tried, tl.maximum(prior, 1e-300), 0.0)
        total_value = tl.sum(weight * value, axis=0)
        total_prior = tl.maximum(tl.sum(weight, axis=0), 1e-300)
        mixed = (prediction + (num_visits - 1.0) * total_value / total_prior) / num_visits
        completed = tl.where(is_tried, value, mixed)
        low = tl.min(tl.where(is_action, completed, float("inf")), axis=0)
        high = tl.max(tl.where(is_action, completed, -float("inf")), axis=0)
        factor = (c_visit + tl.max(num_below, axis=0)) * c_scale / tl.maximum(high - low, min_value_range)
        note = factor * (completed - low)
        # `best_considered`: a legal action whose prior is nothing comes after all others, and before those left out.
        is_considered = is_action & is_legal & (num_below == considered_visits)
        considered = tl.where(is_considered, tl.maximum(root_score + note, -1e308), -float("inf"))
        # `most_lagging`
        is_possible = is_action & (prior > 0.0)
        top = tl.max(tl.where(is_possible, note, 0.0), axis=0)
        policy = prior * tl.exp(tl.where(is_possible, note - top, 0.0))
        lagging = policy * num_visits - tl.sum(policy, axis=0) * num_below
        score = tl.where(parent == 0, considered, tl.where(is_action, lagging, -float("inf")))
        action = tl.min(tl.where(score == tl.max(score, axis=0), lanes, num_lanes), axis=0)
        edge = parent * num_actions + action
        here = tl.load(children + edges + action)
    parent = edge // num_actions
    depth = tl.load(depths + trees + parent) + 1
    tl.store(children + trees * num_actions + edge, node)
    tl.store(parents + trees + node, parent)
    tl.store(actions + trees + node, edge % num_actions)
    tl.store(depths + trees + node, depth)


SELECTIONS: dict[RuleKind, Selection] = {
    "puct": Selection(
        select_puct,
        lambda work: (work.tree.bounds, work.chance.legal, work.chance.tie_keys, work.exploration, work.chance.rule),
    ),
    "gumbel": Selection(
        select_gumbel, lambda work: (work.chance.legal, work.root_scores, work.chance.schedule, work.chance.rule)
    ),
}
