"""What the network predicts over the steps after each one of a game, without looking, beside what really came."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from kvzero.engines import SearchNetwork
from kvzero.training import OpenLoop, PlayedEpisode, follow_open_loop

__all__ = ["Foresight", "foresee"]

ROOTS_AT_ONCE = 32
"""Steps that are followed together: images of more would fill memory."""

TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Foresight:
    """Predictions on the network's own latents below every step; depth 0 of an array is one step later.

    What is not known, as the game was over or cut off, is NaN.
    """

    rewards: Float32[np.ndarray, "time depth"]
    """Predicted reward."""

    played_rewards: Float32[np.ndarray, "time depth"]
    """Reward that followed."""

    values: Float32[np.ndarray, "time depth"]
    """Value at the predicted latent."""

    read_values: Float32[np.ndarray, "time depth"]
    """Value that was read at the true observation, in its context; 0 where the episode ended by itself."""

    latents: Float32[np.ndarray, "time depth embed"]
    """Predicted latent."""

    seen_latents: Float32[np.ndarray, "time depth embed"]
    """The encoder's latent of what was seen."""

    latent_errors: Float32[np.ndarray, "time depth"]
    """Squared difference of the two over the variance of the game's latents: 1 is no better than always their mean."""


def foresee(network: SearchNetwork, episode: PlayedEpisode, *, num_steps: int) -> Foresight:
    """Return what the network predicts over `num_steps` steps below every step of an episode."""
    length = len(episode.rewards)
    depth = min(num_steps, length)
    loops = [
        follow_open_loop(
            network,
            [episode],
            [(0, start) for start in range(first, min(first + ROOTS_AT_ONCE, length))],
            num_steps=depth,
        )
        for first in range(0, length, ROOTS_AT_ONCE)
    ]
    parts = [_read(loop) for loop in loops]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    latents, seen = joined["latents"], joined["seen_latents"]
    variance = np.nanvar(seen, axis=(0, 1)).mean().clip(min=TINY)
    errors = np.square(latents - seen).mean(-1) / variance
    return Foresight(**joined, latent_errors=errors.astype(np.float32))


def _read(loop: OpenLoop) -> dict[str, Float32[np.ndarray, "time depth ..."]]:
    """Return arrays on the host, NaN where nothing is known."""
    is_played, is_valued, found = loop.is_played, loop.is_valued, loop.predicted

    def known(numbers: torch.Tensor, is_known: torch.Tensor) -> np.ndarray:
        array: np.ndarray = torch.where(is_known, numbers, torch.nan).cpu().numpy()
        return array

    return {
        "rewards": known(found.rewards, is_played),
        "played_rewards": known(loop.rewards, is_played),
        "values": known(found.values, is_valued),
        "read_values": known(loop.values, is_valued),
        "latents": known(found.latents, is_played[..., None]),
        "seen_latents": known(loop.latents, is_played[..., None]),
    }
