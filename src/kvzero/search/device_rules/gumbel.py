"""Gumbel on a device: halving at the root and improved policies inside, in the arithmetic of `rules.gumbel`."""

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from kvzero.search.config import SearchConfig
from kvzero.search.device_rules.edges import Edges, read_edges
from kvzero.search.device_tree import Chance, Workspace
from kvzero.search.rules import GumbelRule
from kvzero.search.rules.gumbel import LEAST_PRIOR, Gumbel
from kvzero.search.tree import Tree

__all__ = ["GumbelHost", "GumbelTensors"]

INFINITY = float("inf")
LOWEST = -1e308


class GumbelHost:
    """Draws Gumbel numbers, and reads what survived the halving."""

    def __init__(self, config: SearchConfig) -> None:
        self.rule = GumbelRule(config)
        self._numbers = (config.discount, config.min_value_range, config.gumbel.c_visit, config.gumbel.c_scale)

    def draw(
        self, chance: Chance, action_masks: Bool[np.ndarray, "asked action"], rng: np.random.Generator | None
    ) -> None:
        """Draw as the rule does; rows to spare are halved without chance."""
        chance.rule.numpy()[:] = self._numbers
        chance.schedule.numpy()[:] = self.rule.schedule(chance.legal.numpy() > 0)
        if rng is not None:
            chance.noise.numpy()[: len(action_masks)] = rng.gumbel(size=action_masks.shape)

    def numbers(self, tree: Tree, chance: Chance) -> Gumbel:
        """Return what the search itself reckoned with."""
        return self.rule.numbers(tree, chance.noise.numpy()[: len(tree.action_masks)])


class GumbelTensors:
    """Finds what `rules.gumbel.select_action` finds, at all nodes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        _, self._min_value_range, self._c_visit, self._c_scale = workspace.chance.rule.unbind()

    def open(self) -> None:
        """Score the actions at the roots before any of them has a value."""
        work = self._workspace
        torch.log(work.tree.priors[:, 0], out=work.root_scores)
        work.root_scores.add_(work.chance.noise)

    def best_actions(self, num_nodes: int) -> Int64[Tensor, "env node"]:
        """Return the action that halving considers best at the root, and that lags most behind the policy inside."""
        edges = read_edges(self._workspace, num_nodes)
        notes = self._note_values(edges)
        best = self._most_lagging(edges, notes)
        best[:, 0] = self._best_considered(edges, notes)
        return best

    def _best_considered(self, edges: Edges, notes: Float64[Tensor, "env node action"]) -> Int64[Tensor, " env"]:
        """Return the legal action at the root of the highest score, of those visited as often as is their turn."""
        chance, num_simulations = self._workspace.chance, edges.visits.shape[1] - 1
        considered_visits = chance.schedule[:, num_simulations, None]
        is_considered = (edges.counts[:, 0] == considered_visits) & (chance.legal != 0)
        scores = (self._workspace.root_scores + notes[:, 0]).clamp(min=LOWEST)  # a legal action may have no prior
        return scores.masked_fill(~is_considered, -INFINITY).argmax(1)

    def _most_lagging(self, edges: Edges, notes: Float64[Tensor, "env node action"]) -> Int64[Tensor, "env node"]:
        """Return the action of the highest improved policy - N(a) / (1 + sum of N), of several the lowest."""
        priors = self._workspace.tree.priors[:, : notes.shape[1]]
        is_impossible = priors <= 0.0
        top = notes.masked_fill(is_impossible, 0.0).amax(2, keepdim=True)
        policy = (priors * (notes - top).exp()).masked_fill(is_impossible, 0.0)  # times its total
        return (policy * edges.visits[:, :, None] - policy.sum(2, keepdim=True) * edges.counts).argmax(2)

    def _note_values(self, edges: Edges) -> Float64[Tensor, "env node action"]:
        """Return `sigma(completed Q)` of every action, the lowest at each node being 0; see `rules.gumbel`."""
        tree, num_nodes = self._workspace.tree, edges.visits.shape[1]
        priors = tree.priors[:, :num_nodes].clamp(min=LEAST_PRIOR).masked_fill(edges.is_untried, 0.0)
        predictions = tree.value_sums[:, :num_nodes] - (edges.counts * edges.values).sum(2)
        means = (priors * edges.values).sum(2), priors.sum(2).clamp(min=LEAST_PRIOR)
        mixed = (predictions + (edges.visits - 1) * means[0] / means[1]) / edges.visits
        completed = torch.where(edges.is_untried, mixed[:, :, None], edges.values)
        low, high = completed.amin(2, keepdim=True), completed.amax(2, keepdim=True)
        most_visits = edges.counts.amax(2, keepdim=True)
        factor = (self._c_visit + most_visits) * self._c_scale / (high - low).clamp(min=self._min_value_range)
        return factor * (completed - low)
