"""The trees of one search as tensors that never move: what a search on a device reads and writes."""

from dataclasses import dataclass
from math import inf, log, sqrt
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from kvzero.search.config import SearchConfig
from kvzero.search.tree import UNVISITED, Tree

__all__ = ["NO_FAILURE", "Chance", "DeviceTree", "Workspace", "allocate_workspace", "exploration_weights", "read_tree"]

NO_FAILURE = -1


class DeviceTree(NamedTuple):
    """The arrays of `Tree` that change during a search, and one more; all numbers take eight bytes."""

    parents: Int64[Tensor, "env node"]
    actions: Int64[Tensor, "env node"]
    depths: Int64[Tensor, "env node"]
    visit_counts: Int64[Tensor, "env node"]
    children: Int64[Tensor, "env node action"]
    rewards: Float64[Tensor, "env node"]
    value_sums: Float64[Tensor, "env node"]
    priors: Float64[Tensor, "env node action"]
    bounds: Float64[Tensor, "env 2"]
    failures: Int64[Tensor, " env"]
    """First node whose evaluation is not finite, 0 being the root; -1 while there is none."""


class Chance(NamedTuple):
    """What a search is given beside the roots: legal actions, all that is left to chance, and what it reckons with."""

    legal: Float64[Tensor, "env action"]
    """1 for the actions that are legal at the root, 0 for the others."""

    noise: Float64[Tensor, "env action"]
    """puct: probabilities that are mixed into the root priors; gumbel: numbers added to the priors' logarithms."""

    noise_share: Float64[Tensor, " env"]
    """Share of the noise in the root priors; gumbel leaves it at 0."""

    tie_keys: Float64[Tensor, "env node action"]
    """Which of several equal scores wins: the highest key, then the lowest action; gumbel leaves all at 0."""

    schedule: Float64[Tensor, "env simulation"]
    """gumbel: how often an action at the root was visited that is considered in each simulation."""

    rule: Float64[Tensor, "4"]
    """Discount, smallest range of values, and of gumbel c_visit and c_scale. As arguments of kernels they would be
    rounded to float32; and they come from the host with the rest, as the discount may have changed."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """All tensors of searches of one shape. They are made once; every search overwrites what the one before left."""

    tree: DeviceTree
    chance: Chance

    tree_memory: Int64[Tensor, " word"]
    """Where all of `tree` lies, so that one copy brings it to the host."""

    chance_memory: Float64[Tensor, " number"]
    """Where all of `chance` lies, so that one copy brings it to the device."""

    evaluations: Float32[Tensor, "node env prediction"]
    """Reward, value and policy logits as the model gave them; row 0 is for the roots."""

    exploration: Float64[Tensor, " visits"]
    """puct: weight of the prior at a node that was visited as often as the index says, see `exploration_weights`."""

    root_scores: Float64[Tensor, "env action"]
    """gumbel: what each action at the root scores beside its value."""


def allocate_workspace(
    num_envs: int, num_actions: int, config: SearchConfig, *, device: torch.device, is_pinned: bool = False
) -> Workspace:
    """Return tensors for searches of `num_envs` environments; pinned host memory can be copied without waiting."""
    num_nodes = config.num_simulations + 1
    num_tree = num_envs * (6 * num_nodes + 2 * num_nodes * num_actions + 3)
    num_chance = num_envs * (2 * num_actions + 1 + num_nodes * num_actions + config.num_simulations) + 4
    with torch.inference_mode(mode=False):  # written to in every mode
        tree_memory = torch.zeros(num_tree, dtype=torch.int64, device=device, pin_memory=is_pinned)
        chance_memory = torch.zeros(num_chance, dtype=torch.float64, device=device, pin_memory=is_pinned)
        evaluations = torch.zeros(num_nodes, num_envs, 2 + num_actions, device=device)
        exploration = torch.from_numpy(exploration_weights(config)).to(device)
        root_scores = torch.zeros(num_envs, num_actions, dtype=torch.float64, device=device)
    edges = (num_envs, num_nodes, num_actions)
    tree, chance = _lay_out_tree(tree_memory, edges), _lay_out_chance(chance_memory, edges)
    return Workspace(tree, chance, tree_memory, chance_memory, evaluations, exploration, root_scores)


def exploration_weights(config: SearchConfig) -> Float64[np.ndarray, " visits"]:
    """Return `sqrt(N) (c1 + log((N + c2 + 1) / c2))` for every number of visits `N` that a node can have."""
    puct, base = config.puct, float(config.puct.pb_c_base)
    return np.array(
        [sqrt(n) * (puct.pb_c_init + log((n + base + 1.0) / base)) for n in range(config.num_simulations + 2)]
    )


def clear(tree: DeviceTree) -> None:
    """Make the trees empty, as `allocate_tree` makes them."""
    for links in (tree.parents, tree.actions, tree.children):
        links.fill_(UNVISITED)
    for numbers in (tree.depths, tree.visit_counts, tree.rewards, tree.value_sums, tree.priors):
        numbers.zero_()
    tree.bounds[:, 0].fill_(inf)
    tree.bounds[:, 1].fill_(-inf)
    tree.failures.fill_(NO_FAILURE)


def read_tree(host: Workspace, num_envs: int) -> Tree:
    """Return a copy of the first `num_envs` trees of a workspace on the host."""
    chance, found = host.chance, host.tree._asdict()
    del found["failures"]
    return Tree(
        **{name: _copy(tensor[:num_envs]) for name, tensor in found.items()},
        tie_keys=_copy(chance.tie_keys[:num_envs].float()),
        action_masks=_copy(chance.legal[:num_envs] > 0),
    )


def _lay_out_tree(memory: Int64[Tensor, " word"], edges: tuple[int, int, int]) -> DeviceTree:
    nodes, num_envs = edges[:2], edges[0]
    shapes = (nodes, nodes, nodes, nodes, edges, nodes, nodes, edges, (num_envs, 2), (num_envs,))
    fields = DeviceTree(*_cut(memory, shapes))
    floats = (fields.rewards, fields.value_sums, fields.priors, fields.bounds)
    rewards, value_sums, priors, bounds = (numbers.view(torch.float64) for numbers in floats)
    return fields._replace(rewards=rewards, value_sums=value_sums, priors=priors, bounds=bounds)


def _lay_out_chance(memory: Float64[Tensor, " word"], edges: tuple[int, int, int]) -> Chance:
    num_envs, num_nodes, num_actions = edges
    actions, simulations = (num_envs, num_actions), (num_envs, num_nodes - 1)
    return Chance(*_cut(memory, (actions, actions, (num_envs,), edges, simulations, (4,))))


def _cut(memory: Float[Tensor, " word"] | Int64[Tensor, " word"], shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """Return views of `memory`, one after the other."""
    parts = torch.split(memory, [int(np.prod(shape)) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _copy(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.numpy().copy()
    return array
