"""PUCT on a device: the scores of every action at every node at once, in the arithmetic of `rules.puct`."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from kvzero.search.config import SearchConfig
from kvzero.search.device_rules.edges import read_edges
from kvzero.search.device_tree import Chance, Workspace
from kvzero.search.noise import draw_noise, draw_tie_keys
from kvzero.search.rules import PuctRule
from kvzero.search.rules.puct import Puct
from kvzero.search.tree import Tree

__all__ = ["PuctHost", "PuctTensors"]

INFINITY = float("inf")


class PuctHost:
    """Draws tie keys and noise, and reads visits."""

    def __init__(self, config: SearchConfig) -> None:
        self.rule = PuctRule(config)
        self._puct = config.puct

    def draw(
        self, chance: Chance, action_masks: Bool[np.ndarray, "asked action"], rng: np.random.Generator | None
    ) -> None:
        """Draw as the rule does; rows to spare get neither noise nor keys."""
        numbers = self.rule.numbers
        chance.rule.numpy()[:2] = numbers.discount, numbers.min_value_range
        if rng is None:
            return
        num_asked, num_actions = action_masks.shape
        num_nodes = chance.tie_keys.shape[1]
        chance.tie_keys.numpy()[:num_asked] = draw_tie_keys((num_asked, num_nodes, num_actions), rng)
        chance.noise.numpy()[:num_asked] = draw_noise(action_masks, self._puct.dirichlet_alpha, rng)
        chance.noise_share.numpy()[:num_asked] = self._puct.noise_weight

    def numbers(self, tree: Tree, chance: Chance) -> Puct:
        """Return the same for every search."""
        del tree, chance
        return self.rule.numbers


class PuctTensors:
    """Finds what `rules.puct.select_action` finds, at all nodes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._min_value_range = workspace.chance.rule[1]

    def open(self) -> None:
        """Do nothing: roots are scored as all nodes are."""

    def best_actions(self, num_nodes: int) -> Int64[Tensor, "env node"]:
        """Return the action with the highest score, of several the one with the highest tie key."""
        tree, chance = self._workspace.tree, self._workspace.chance
        edges = read_edges(self._workspace, num_nodes)
        values = torch.where(edges.is_untried, edges.means[:, :, None], edges.values)
        low, high = tree.bounds[:, 0, None, None], tree.bounds[:, 1, None, None]
        scores = ((values - low) / (high - low).clamp(min=self._min_value_range)).clamp(0.0, 1.0)
        weights = self._workspace.exploration[edges.visits][:, :, None]
        scores = scores + tree.priors[:, :num_nodes] * weights / (1.0 + edges.counts)
        scores[:, 0].masked_fill_(chance.legal == 0, -INFINITY)
        is_worse = scores < scores.amax(2, keepdim=True)
        return chance.tie_keys[:, :num_nodes].masked_fill(is_worse, -INFINITY).argmax(2)
