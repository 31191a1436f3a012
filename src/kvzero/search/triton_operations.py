"""Selection and backup of every tree by a program of its own on the GPU, one kernel each.

Import this file only where Triton is to be used: PyTorch brings it along with CUDA on Linux, and elsewhere it is
missing. Arithmetic is in float64 and its order is that of `tree.py`; fused multiplication and addition is switched off,
which rounds once where the compiled search rounds twice. A program is one warp, and never reads what it has written:
between threads that would need a barrier. How each rule selects stands in `triton_selection.py`.
"""

import logging
from subprocess import SubprocessError
from typing import Any

import triton
import triton.language as tl

from kvzero.search.config import RuleKind
from kvzero.search.device_rules import TensorHalf
from kvzero.search.device_tree import Workspace
from kvzero.search.kernels import kernel
from kvzero.search.tensor_operations import plant_roots
from kvzero.search.triton_selection import SELECTIONS

__all__ = ["TritonOperations", "try_triton_operations"]

logger = logging.getLogger(__name__)


class TritonOperations:
    """What a search does to its trees, without the model: the same as `TensorOperations`, in kernels."""

    def __init__(self, workspace: Workspace, kind: RuleKind, rule: TensorHalf) -> None:
        """Look at the sizes; of `rule`, which selects in tensors, only what it does once a search is needed."""
        self._workspace = workspace
        self._rule = rule
        self._select = SELECTIONS[kind]
        tree = workspace.tree
        num_envs, num_nodes, num_actions = tree.children.shape
        self._grid = (num_envs,)
        self._sizes: dict[str, Any] = {
            "num_nodes": num_nodes,
            "num_actions": num_actions,
            "num_lanes": triton.next_power_of_2(num_actions),
            "num_warps": 1,
            "enable_fp_fusion": False,
        }

    def plant(self) -> None:
        """Empty the trees and make their roots of row 0 of the evaluations, as visited once."""
        plant_roots(self._workspace)
        self._rule.open()

    def select(self, node: int) -> None:
        """Descend every tree to an action that was not tried, and hang the new `node` there."""
        tree, selection = self._workspace.tree, self._select
        statistics = (tree.visit_counts, tree.value_sums, tree.rewards, tree.priors)
        links = (tree.children, tree.parents, tree.actions, tree.depths)
        selection.kernel[self._grid](*statistics, *links, *selection.read(self._workspace), node, **self._sizes)

    def back_up(self, node: int) -> None:
        """Store the evaluation of the new `node` of every tree, and tell all nodes above what it is worth."""
        tree, rule = self._workspace.tree, self._workspace.chance.rule
        statistics = (tree.visit_counts, tree.value_sums, tree.rewards, tree.priors, tree.bounds)
        given = (tree.parents, self._workspace.evaluations[node], rule)
        _back_up[self._grid](*statistics, tree.failures, *given, node, **self._sizes)


def try_triton_operations(workspace: Workspace, kind: RuleKind, rule: TensorHalf) -> TritonOperations | None:
    """Return steps that have been taken once, or None and a line in the log where the kernels cannot be made or run.

    What is missing is most often a C compiler, with which Triton builds the code that launches a kernel.
    """
    steps = TritonOperations(workspace, kind, rule)
    workspace.chance_memory.fill_(1.0)  # something to reckon with; every search is given its own
    try:
        steps.plant()
        steps.select(1)
        steps.back_up(1)
    except (RuntimeError, OSError, SubprocessError, triton.TritonError) as error:
        logger.warning("searching with PyTorch's operations, not with Triton's kernels: %s", error)
        return None
    return steps


@kernel
def _back_up(  # noqa: PLR0913, PLR0917  # a kernel is handed every array by itself
    visit_counts: tl.tensor,
    value_sums: tl.tensor,
    rewards: tl.tensor,
    priors: tl.tensor,
    bounds: tl.tensor,
    failures: tl.tensor,
    parents: tl.tensor,
    evaluations: tl.tensor,
    rule: tl.tensor,
    node: tl.tensor,
    num_nodes: tl.constexpr,
    num_actions: tl.constexpr,
    num_lanes: tl.constexpr,
) -> None:
    env = tl.program_id(0).to(tl.int64)
    trees = env * num_nodes
    lanes = tl.arange(0, num_lanes)
    is_action = lanes < num_actions
    row = evaluations + env * (2 + num_actions)
    reward = tl.load(row).to(tl.float64)
    received = tl.load(row + 1).to(tl.float64)
    logits = tl.load(row + 2 + lanes, mask=is_action, other=0.0).to(tl.float64)
    # What is not finite is noted with the first node that has it, and zeros go up in its place: the host looks when the
    # search is over, and a NaN would have spoiled the whole tree by then.
    num_finite = tl.sum((tl.abs(logits) < float("inf")).to(tl.int32), axis=0)
    is_finite = (num_finite == num_lanes) & (tl.abs(reward) < float("inf")) & (tl.abs(received) < float("inf"))
    failure = tl.load(failures + env)
    tl.store(failures + env, tl.where(is_finite | (failure >= 0), failure, node))
    reward = tl.where(is_finite, reward, 0.0)
    received = tl.where(is_finite, received, 0.0)
    logits = tl.where(is_action, tl.where(is_finite, logits, 0.0), -float("inf"))
    weights = tl.exp(logits - tl.max(logits, axis=0))
    tl.store(priors + (trees + node) * num_actions + lanes, weights / tl.sum(weights, axis=0), mask=is_action)
    tl.store(rewards + trees + node, reward)
    discount = tl.load(rule)
    low = tl.load(bounds + env * 2)
    high = tl.load(bounds + env * 2 + 1)
    here = env * 0 + node
    # `tree._back_up_path`: from the new node to the root. All that the next turn reads is loaded before anything is
    # stored, and each turn writes to a node of its own, so that no barrier is needed.
    while here >= 0:
        value_sum = tl.load(value_sums + trees + here) + received
        num_visits = tl.load(visit_counts + trees + here) + 1
        above = tl.load(parents + trees + here)
        reward_above = tl.load(rewards + trees + above, mask=above >= 0, other=0.0)
        tl.store(value_sums + trees + here, value_sum)
        tl.store(visit_counts + trees + here, num_visits)
        edge = reward + discount * (value_sum / num_visits.to(tl.float64))
        low = tl.where(here > 0, tl.minimum(low, edge), low)
        high = tl.where(here > 0, tl.maximum(high, edge), high)
        received = reward + discount * received
        reward = reward_above
        here = above
    tl.store(bounds + env * 2, low)
    tl.store(bounds + env * 2 + 1, high)
