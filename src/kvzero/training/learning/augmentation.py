"""Augmentation of images in training: the frames of a segment shifted alike by a few pixels (Yarats et al. 2021)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from kvzero.errors import ConfigError
from kvzero.model import Network
from kvzero.records import EnvSpec, load_rng_state, rng_state

__all__ = ["RandomShift", "build_shift", "encode_shifted", "shift_images"]

LARGEST_SHARE = 16
"""A shift is at most a sixteenth of the shorter side: 4 of 64 or 84 pixels, as there. Small boards have none: one
place further on there is another position."""


class RandomShift:
    """Draws shifts of images up to so many pixels; what comes in at an edge repeats the edge's pixels.

    Each segment has one draw for all its frames, as what moves between them must go on as it did.

    Args:
        num_pixels: the farthest that an image is shifted.
        seed: of the draws.
        rank: which share of a batch is shifted here, of `num_ranks` equal ones. Whoever has another draws the same for
            the whole batch.
        num_ranks: how many shares there are.
    """

    def __init__(self, num_pixels: int, *, seed: int, rank: int = 0, num_ranks: int = 1) -> None:
        self._num_pixels = num_pixels
        self._rng = np.random.default_rng(seed)
        self._rank = rank
        self._num_ranks = num_ranks

    def draw(self, num_segments: int) -> Int64[np.ndarray, "2 segment"]:
        """Return how many pixels down, and how many sideways, the images of each segment are to be shifted."""
        size = (2, self._num_ranks, num_segments)
        draws = self._rng.integers(-self._num_pixels, self._num_pixels, size=size, endpoint=True)
        mine: Int64[np.ndarray, "2 segment"] = draws[:, self._rank]
        return mine

    def rng_state(self) -> dict[str, Any]:
        """Return the state of the draws, which survives JSON."""
        return rng_state(self._rng)

    def load_rng_state(self, state: Mapping[str, Any]) -> None:
        """Continue the draws where `rng_state` was taken.

        Raises:
            CheckpointError: if this is no such state.
        """
        load_rng_state(self._rng, state, "shifts")


def shift_images(
    images: Shaped[Tensor, "batch time channel height width"], shifts: Int64[Tensor, "2 batch"]
) -> Shaped[Tensor, "batch time channel height width"]:
    """Return the images of each segment shifted so many pixels down and sideways."""
    batch, *_, height, width = images.shape
    down, sideways = shifts[..., None]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)  # [batch, height]
    columns = (torch.arange(width, device=images.device) - sideways).clamp(0, width - 1)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).view(batch, 1, height * width)
    flat = images.reshape(batch, -1, height * width)
    return flat.gather(2, pixels.expand_as(flat)).view_as(images)


def encode_shifted(
    network: Network, observations: Shaped[Tensor, "batch time ..."], shifts: Int64[Tensor, "2 batch"] | None
) -> Float[Tensor, "batch time embed"]:
    """Return the latents of segments whose images are shifted before the network sees them, if they are."""
    if shifts is None:
        return network.encode_steps(observations)
    return network.encode_steps(observations, augment=partial(shift_images, shifts=shifts))


def build_shift(num_pixels: int, spec: EnvSpec, *, seed: int, rank: int = 0, num_ranks: int = 1) -> RandomShift | None:
    """Return what shifts the images of `spec`; None where nothing is to be shifted.

    Raises:
        ConfigError: if observations are no images, or too small to be shifted so far.
    """
    if num_pixels == 0:
        return None
    if not spec.is_image:
        raise ConfigError(f"shift_pixels is {num_pixels}, which has no effect on vectors; leave it at 0")
    _, height, width = spec.observation_shape
    if num_pixels > (largest := min(height, width) // LARGEST_SHARE):
        raise ConfigError(
            f"shift_pixels is {num_pixels}, but images are {height}x{width}: a shift of more than a sixteenth of the "
            f"shorter side changes what they show; give at most {largest}"
        )
    return RandomShift(num_pixels, seed=seed, rank=rank, num_ranks=num_ranks)
