"""Which rows windows start at: the protocol that the replay asks of a sampler, and uniform sampling."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

__all__ = ["Draw", "Sampler", "UniformSampler"]


@dataclass(frozen=True, slots=True)
class Draw:
    """The rows drawn, and what the loss of each is to be multiplied by."""

    indices: Int64[np.ndarray, " batch"]
    """Places of the rows: `env * rows_per_env + slot`."""

    weights: Float32[np.ndarray, " batch"]
    """Importance weights, which undo the bias of drawing some rows more often than others."""


@runtime_checkable
class Sampler(Protocol):
    """What the replay asks of a sampler: draw starts, and learn how surprising they turned out."""

    def draw(self, is_start: Bool[np.ndarray, " slot"], batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw `batch_size` of the rows marked in `is_start`, of which there is at least one, with replacement."""

    def update(self, indices: Int64[np.ndarray, " batch"], priorities: Float[np.ndarray, " batch"]) -> None:
        """Take in the new priorities of rows drawn before."""


class UniformSampler:
    """Draws every start with the same probability, whatever its priority; all weights are 1."""

    def draw(self, is_start: Bool[np.ndarray, " slot"], batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw `batch_size` of the rows marked in `is_start` uniformly, with replacement."""
        starts = np.flatnonzero(is_start)
        return Draw(starts[rng.integers(len(starts), size=batch_size)], np.ones(batch_size, np.float32))

    def update(self, indices: Int64[np.ndarray, " batch"], priorities: Float[np.ndarray, " batch"]) -> None:
        """Uniform sampling has no use for priorities."""
