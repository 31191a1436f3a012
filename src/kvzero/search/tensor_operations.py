"""Planting, selection and backup of all trees at once as plain tensor operations: correct wherever PyTorch runs.

Nothing here waits for a result or looks at one: which operations run depends on shapes and the number of the simulation
only, so that a search can be recorded once and replayed. Numbers enter as arguments of operations: where PyTorch makes
tensors of them (`torch.where`), they would be copied from the host. Statistics are those of `tree.py`, rounded alike.
"""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from kvzero.search.device_rules import TensorHalf
from kvzero.search.device_tree import NO_FAILURE, Workspace, clear
from kvzero.search.tree import UNVISITED

__all__ = ["TensorOperations", "plant_roots"]

INFINITY = float("inf")


class TensorOperations:
    """What a search does to its trees, without the model."""

    def __init__(self, workspace: Workspace, rule: TensorHalf) -> None:
        """Make room for the path to every node: `N * N` numbers per environment with `N` nodes."""
        self._workspace = workspace
        self._rule = rule
        self._discount = workspace.chance.rule[0]
        parents = workspace.tree.parents
        num_envs, num_nodes = parents.shape
        with torch.inference_mode(mode=False):
            self._rows = torch.arange(num_envs, device=parents.device)
            self._nodes = torch.arange(num_nodes, device=parents.device)
            self._paths = torch.zeros(num_envs, num_nodes, num_nodes, dtype=torch.int32, device=parents.device)

    def plant(self) -> None:
        """Empty the trees and make their roots of row 0 of the evaluations, as visited once."""
        plant_roots(self._workspace)
        self._rule.open()
        self._paths.fill_(UNVISITED)
        self._paths[:, 0, 0].fill_(0)

    def select(self, node: int) -> None:
        """Descend every tree to an action that was not tried, and hang the new `node` there.

        The best action of every node is found at once. The descent then follows links that are doubled in length until
        they reach the end, which takes as many steps as the number of nodes has binary digits.
        """
        tree = self._workspace.tree
        best = self._rule.best_actions(node)
        below = tree.children[:, :node].gather(2, best[:, :, None])[:, :, 0]
        # Where the best edge has no node below, a node links to itself and the descent ends there. Following links of
        # double the length each time, every node finds its end in log2(node) steps, however deep a tree is; and which
        # operations run does not depend on the trees, so that they can be recorded.
        links = torch.where(below == UNVISITED, self._nodes[:node], below)
        for _ in range((node - 1).bit_length()):
            links = links.gather(1, links)
        parents = links[:, :1]
        actions = best.gather(1, parents)
        tree.children.view(len(best), -1).scatter_(1, parents * tree.children.shape[2] + actions, node)
        tree.parents[:, node : node + 1] = parents
        tree.actions[:, node : node + 1] = actions
        tree.depths[:, node : node + 1] = tree.depths.gather(1, parents) + 1

    def back_up(self, node: int) -> None:
        """Store the evaluation of the new `node` of every tree, and tell all nodes above what it is worth."""
        tree = self._workspace.tree
        numbers = take_evaluation(self._workspace, node)
        tree.rewards[:, node] = numbers[:, 0]
        tree.priors[:, node] = numbers[:, 2:].softmax(dim=1)
        path = self._extend_path(node)
        is_on_path = path != UNVISITED
        path = path.clamp(min=0)  # adds nothing to the root
        rewards = tree.rewards.gather(1, path)
        returns = self._discount_back(numbers[:, 1], rewards)
        tree.value_sums.scatter_add_(1, path, returns.masked_fill(~is_on_path, 0.0))
        tree.visit_counts.scatter_add_(1, path, is_on_path.long())
        means = tree.value_sums.gather(1, path) / tree.visit_counts.gather(1, path)
        edges = rewards + self._discount * means
        low, high = tree.bounds.unbind(1)
        is_root = path == 0
        torch.minimum(low, edges.masked_fill(is_root, INFINITY).amin(1), out=low)
        torch.maximum(high, edges.masked_fill(is_root, -INFINITY).amax(1), out=high)

    def _extend_path(self, node: int) -> Int64[Tensor, "env distance"]:
        """Return the nodes from `node` up to the root, padded with -1; remember them for the node's children."""
        above = self._paths[:, :, :node][self._rows, self._workspace.tree.parents[:, node]]
        path = self._paths[:, node, : node + 1]
        path[:, 0].fill_(node)
        path[:, 1:] = above
        return path.long()

    def _discount_back(
        self, values: Float64[Tensor, " env"], rewards: Float64[Tensor, "env distance"]
    ) -> Float64[Tensor, "env distance"]:
        """Return the return that every node of a path receives, one after the other as `tree.back_up` rounds them."""
        received = [values]
        for reward in rewards.unbind(1)[:-1]:
            received.append(received[-1] * self._discount + reward)
        return torch.stack(received, dim=1)


def plant_roots(workspace: Workspace) -> None:
    """Empty the trees and make their roots of row 0 of the evaluations, as visited once."""
    tree, chance = workspace.tree, workspace.chance
    clear(tree)
    numbers = take_evaluation(workspace, 0)
    priors = numbers[:, 2:].masked_fill(chance.legal == 0, -INFINITY).softmax(dim=1)
    share = chance.noise_share[:, None]
    tree.priors[:, 0] = (1.0 - share) * priors + share * chance.noise
    tree.value_sums[:, 0] = numbers[:, 1]
    tree.visit_counts[:, 0].fill_(1)


def take_evaluation(workspace: Workspace, node: int) -> Float64[Tensor, "env prediction"]:
    """Return what the model said of `node`; note where it is not finite, and read zeros there."""
    row, failures = workspace.evaluations[node], workspace.tree.failures
    is_broken = ~row.isfinite().all(1)
    failures.masked_fill_(is_broken & (failures == NO_FAILURE), node)
    return row.masked_fill(is_broken[:, None], 0.0).double()
