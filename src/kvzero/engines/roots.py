"""Roots made with PyTorch: moved on by a step, or rebuilt from the raw past, on any device and in any store."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.cache import ContextStore
from kvzero.engines.engine import Past
from kvzero.engines.search_network import SearchNetwork
from kvzero.model import RootReading

__all__ = ["extend_roots", "rebuild_along", "rebuild_roots"]


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
    latents = source.encode_steps(torch.from_numpy(past.observations).to(source.device))
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


def rebuild_along(
    network: SearchNetwork,
    store: ContextStore,
    envs: Int[np.ndarray, " env"],
    past: Past,
    is_root: Bool[np.ndarray, "chunk time"],
) -> RootReading:
    """Replace roots of a store by those of the marked observations of some stretches; return what is read there.

    They come stretch by stretch, the oldest of each first. One pass over a stretch serves all of them: a token sees
    only what came before it, so that the context of an observation is a slice of all keys and values. Where positions
    are learned it is not, since a token's index changes as its window slides: there every root has a pass of its own.
    """
    begins = past.is_valid.argmax(axis=1)
    chunks, times = np.nonzero(is_root)
    lengths = 2 * (times - begins[chunks]) + 1
    source, layout = network.source, network.source.config.layout
    if layout.is_sliding:
        return rebuild_roots(network, store, envs, _cut_pasts(past, chunks, times, layout.history_steps), lengths)
    num_tokens = 2 * past.is_valid.shape[1] - 1
    positions = (np.arange(num_tokens) - 2 * begins[:, None]).clip(min=0)
    source.transformer.positions.reserve(int(positions.max()) + 1)
    is_valid, latents = _encode_valid(network, past)
    is_read = torch.from_numpy(is_root).to(source.device)
    reading, keys_values = source.read_along(
        latents,
        torch.from_numpy(past.actions).to(source.device),
        torch.from_numpy(positions).to(source.device),
        is_valid=is_valid.repeat_interleave(2, dim=1)[:, :-1],
        is_read=is_read,
    )
    tokens = (2 * times[:, None] + np.arange(1 - layout.context_tokens, 1)).clip(min=0)  # [root, token]
    places = torch.from_numpy(chunks[:, None] * num_tokens + tokens).to(source.device)
    store.replace_roots(
        envs,
        source.version,
        lengths=lengths,
        latents=latents[is_read].to(network.dtype),
        keys_values=keys_values.flatten(0, 1)[places].to(network.dtype),
    )
    return reading


def _encode_valid(
    network: SearchNetwork, past: Past
) -> tuple[Bool[Tensor, "chunk time"], Float[Tensor, "chunk time embed"]]:
    """Return which observations there are, and their latents; zeros stand in for the padding."""
    source = network.source
    is_valid = torch.from_numpy(past.is_valid).to(source.device)
    found = source.encode(torch.from_numpy(past.observations[past.is_valid]).to(source.device))
    latents = found.new_zeros(*past.is_valid.shape, found.shape[1])
    latents[is_valid] = found
    return is_valid, latents


def _cut_pasts(past: Past, chunks: Int[np.ndarray, " env"], times: Int[np.ndarray, " env"], num_steps: int) -> Past:
    """Return what came before each of these observations, at most `num_steps` steps."""

    def pad(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0), (num_steps, 0), *[(0, 0)] * (array.ndim - 2)])

    rows, places = chunks[:, None], times[:, None] + np.arange(num_steps + 1)  # in what was padded
    return Past(
        pad(past.observations)[rows, places],
        pad(past.actions)[rows, places[:, :-1]],
        pad(past.is_valid)[rows, places],
    )
