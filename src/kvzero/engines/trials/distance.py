"""How far two searches of the same roots are apart, as far as they went the same way."""

import numpy as np
from jaxtyping import Bool

from kvzero.search import Outcome

__all__ = ["distance_of"]

LEAST_SHARE = 0.5
"""Share of the nodes that both searches must have reached on the same path: rounding may part them late, not early."""


def distance_of(found: Outcome, wanted: Outcome) -> float:
    """Return the largest difference in reward, prior and value of a node, as a share of the largest such number wanted.

    Nodes count that both searches added in the same simulation on the same path. A node's own value is known where
    nothing was added below it. Infinite where fewer than half of the nodes count; NaN where a number is.
    """
    is_same = _same_nodes(found, wanted)
    if is_same[:, 1:].mean() < LEAST_SHARE:
        return float("inf")
    is_leaf = is_same & (found.tree.visit_counts == 1) & (wanted.tree.visit_counts == 1)
    differences = [
        _apart(found.tree.rewards[is_same], wanted.tree.rewards[is_same]),
        _apart(found.tree.priors[is_same], wanted.tree.priors[is_same]),
        _apart(found.tree.value_sums[is_leaf], wanted.tree.value_sums[is_leaf]),
    ]
    return float(np.max(differences))  # unlike the built-in, NaN if one is


def _same_nodes(found: Outcome, wanted: Outcome) -> Bool[np.ndarray, "env node"]:
    """Return which nodes both searches reached by the same actions."""
    one, other = found.tree, wanted.tree
    is_same: Bool[np.ndarray, "env node"] = (one.parents == other.parents) & (one.actions == other.actions)
    for node in range(1, is_same.shape[1]):
        is_same[:, node] &= is_same[np.arange(len(is_same)), other.parents[:, node]]
    return is_same


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference as a share of the larger of 1 and the largest number wanted."""
    if not wanted.size:
        return 0.0
    return float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))
