"""Roots made with PyTorch: moved on by a step, or rebuilt from the raw past, on any device and in any store."""

import numpy as np
import torch
from jaxtyping import Int, Shaped

from kvzero.cache import ContextStore
from kvzero.engines.engine import Past
from kvzero.engines.search_network import SearchNetwork
from kvzero.model import RootReading

__all__ = ["extend_roots", "rebuild_roots"]


def extend_roots(
    network: SearchNetwork,
    store: ContextStore,
    envs: Int[np.ndarray, " env"],
    observations: Shaped[np.ndarray, "env ..."],
    actions: Shaped[np.ndarray, "env *action"],
) -> RootReading:
    """Append the action taken and the latent seen next to each root of a store; return what is read there."""
    source, current = network.source, network.current
    version = source.version
    latents = source.encode(torch.from_numpy(observations).to(source.device)).to(network.dtype)
    first = current.config.layout.next_positions(store.lengths(envs))
    positions = (first[:, None] + np.array([0, 1])).clip(min=0)
    current.transformer.positions.reserve(int(positions.max()) + 1)
    window = store.read_roots(envs, version)
    reading = current.extend_roots(
        torch.from_numpy(actions).to(current.device),
        latents,
        torch.from_numpy(positions).to(current.device),
        window,
    )
    current.slide(window)
    store.extend_roots(envs, version, latents=latents, window=window)
    return reading


def rebuild_roots(
    network: SearchNetwork,
    store: ContextStore,
    envs: Int[np.ndarray, " env"],
    past: Past,
    lengths: Int[np.ndarray, " env"],
) -> RootReading:
    """Replace roots of a store by those of `past`, in one pass; return what is read there.

    `lengths` are the tokens that each episode has had, of which `past` holds the newest: as many as the network's
    receptive field asks for, or all. In learned positions the window is slid, as it would be by the next step.
    """
    source = network.source
    num_steps = past.is_valid.shape[1]
    ends = source.config.layout.next_positions(lengths - 2) + 2  # one past the newest token: its window is not slid yet
    positions = (ends[:, None] + np.arange(1 - 2 * num_steps, 0)).clip(min=0)
    source.transformer.positions.reserve(int(ends.max()))
    observations = torch.from_numpy(past.observations).to(source.device)
    latents = source.encode(observations.flatten(0, 1)).reshape(len(envs), num_steps, -1)
    reading, window = source.read_roots(
        latents,
        torch.from_numpy(past.actions).to(source.device),
        torch.from_numpy(positions).to(source.device),
        is_valid=torch.from_numpy(past.is_valid).to(source.device).repeat_interleave(2, dim=1)[:, :-1],
    )
    source.slide(window)
    store.replace_roots(
        envs,
        source.version,
        lengths=lengths,
        latents=latents[:, -1].to(network.dtype),
        keys_values=window.keys_values.to(network.dtype),
        tokens=None if window.tokens is None else window.tokens.to(network.dtype),
    )
    return reading
