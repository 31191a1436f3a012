"""What the replay asks of a sampler, and what a draw is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from kvzero.replay.snapshot import SavedArray

__all__ = ["Draw", "Sampler"]


@dataclass(frozen=True, slots=True)
class Draw:
    """Where the segments of a batch start."""

    places: Int64[np.ndarray, " batch"]
    """`env * rows_per_env + slot`."""

    weights: Float32[np.ndarray, " batch"] | None
    """How much each counts in the loss, the largest 1; None where all count alike."""


@runtime_checkable
class Sampler(Protocol):
    """Chooses the steps that segments start at, among those whose next observation has come.

    A sampler that remembers nothing inherits from this, and draws.
    """

    def draw(self, batch_size: int, *, progress: float, rng: np.random.Generator) -> Draw | None:
        """Draw starts with replacement, `progress` of the run being behind; None where no segment can start.

        A thread may draw while errors are told of: what a draw reads changes in `follow` only.
        """

    def prioritise(self, places: Int[np.ndarray, " batch"], errors: Float[np.ndarray, " batch"]) -> None:
        """Take in how badly was predicted what starts at these places, for the draws after the next `follow`."""
        return

    def follow(self, envs: Int[np.ndarray, " ring"]) -> None:
        """Put in the errors that were told of; then take in that a row was written to each of these rings."""
        return

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return what is remembered of the rows that are held, by name, for a checkpoint; not copies."""
        return {}

    def load_state_arrays(self, arrays: Mapping[str, SavedArray]) -> None:
        """Take over what `state_arrays` returned, into a sampler that is new.

        Raises:
            CheckpointError: if it is missing, or of another form.
        """
        return
