"""What the network predicts along given actions on latents of its own, computed as a search computes its nodes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.cache import CacheConfig
from kvzero.engines.config import StoreKind
from kvzero.engines.engine import Past
from kvzero.engines.roots import rebuild_roots
from kvzero.engines.search_network import SearchNetwork
from kvzero.engines.stores import build_store
from kvzero.model import build_stepper

__all__ = ["RollOut", "roll_out"]


@dataclass(frozen=True, slots=True)
class RollOut:
    """Predictions below some roots; depth 0 of an array is one step below the root."""

    latents: Float[Tensor, "root depth embed"]
    """Predicted latents, each made of those before it."""

    rewards: Float[Tensor, "root depth"]
    """Reward of the action that leads to each node."""

    values: Float[Tensor, "root depth"]
    """Value at each node's predicted latent."""


@torch.inference_mode()
def roll_out(
    network: SearchNetwork,
    past: Past,
    lengths: Int[np.ndarray, " root"],
    actions: Shaped[np.ndarray, "root depth *action"],
) -> RollOut:
    """Follow `actions` below the roots of some sequences, node below node, each read in the context of those above it.

    `past` and `lengths` are as `Engine.rebuild` takes them: the roots have the true context of what was seen.
    """
    num_roots, num_nodes = actions.shape[:2]
    layout, device, everyone = network.source.config.layout, network.current.device, np.arange(num_roots)
    kind: StoreKind = "pooled" if layout.is_sliding else "tree"
    store = build_store(kind, network, CacheConfig(), num_envs=num_roots, num_simulations=num_nodes)
    rebuild_roots(network, store, everyone, past, lengths)
    contexts, step = store.begin_search(everyone, network.source.version), build_stepper(network.current)
    first = layout.next_positions(lengths[:, None] + 2 * np.arange(num_nodes))[:, :, None]
    network.current.transformer.positions.reserve(int(first.max()) + 2)
    nodes = []
    for node in range(1, num_nodes + 1):
        taken = torch.from_numpy(actions[:, node - 1].copy()).to(device)
        positions = torch.from_numpy(first[:, node - 1] + np.array([0, 1])).to(device)
        window = contexts.read(np.full(num_roots, node - 1))
        expansion = step(taken, positions, window)
        contexts.write(node, actions=taken, latents=expansion.latents, window=window)
        nodes.append(expansion)
    return RollOut(
        torch.stack([node.latents for node in nodes], dim=1).float(),
        torch.stack([node.rewards for node in nodes], dim=1).float(),
        torch.stack([node.values for node in nodes], dim=1).float(),
    )
