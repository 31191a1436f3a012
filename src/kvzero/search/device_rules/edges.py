"""What the edges of all trees say: the statistics that rules weigh, read at once."""

from typing import NamedTuple

from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from kvzero.search.device_tree import Workspace
from kvzero.search.tree import UNVISITED

__all__ = ["Edges", "read_edges"]


class Edges(NamedTuple):
    """Statistics of the first nodes of every tree, and of the edges below them."""

    visits: Int64[Tensor, "env node"]
    """Visits of each node."""

    means: Float64[Tensor, "env node"]
    """Mean return at each node."""

    is_untried: Bool[Tensor, "env node action"]
    """Whether there is no node below."""

    values: Float64[Tensor, "env node action"]
    """Reward + discount * mean return of the node below; any number where there is none."""

    counts: Int64[Tensor, "env node action"]
    """Visits of the node below; 0 where there is none."""


def read_edges(workspace: Workspace, num_nodes: int) -> Edges:
    """Return the statistics as `tree.edge_value` rounds them."""
    tree, discount = workspace.tree, workspace.chance.rule[0]
    visits, children = tree.visit_counts[:, :num_nodes], tree.children[:, :num_nodes]
    means = tree.value_sums[:, :num_nodes] / visits
    values = tree.rewards[:, :num_nodes] + discount * means  # of the edge above each node
    is_untried = children == UNVISITED
    below = children.clamp(min=0).flatten(1)
    return Edges(
        visits=visits,
        means=means,
        is_untried=is_untried,
        values=values.gather(1, below).view_as(children),
        counts=visits.gather(1, below).view_as(children).masked_fill(is_untried, 0),
    )
