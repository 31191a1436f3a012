"""The sampler that draws every start with the same probability."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from kvzero.replay.rows import Rows
from kvzero.replay.samplers.sampler import Draw
from kvzero.replay.snapshot import SavedArray

__all__ = ["UniformSampler"]


class UniformSampler:
    """Draws every start alike, whatever was predicted there: it remembers nothing."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def draw(self, batch_size: int, *, progress: float, rng: np.random.Generator) -> Draw | None:
        """Draw starts, wherever the run is."""
        starts = np.flatnonzero(self._rows.is_start())
        if not len(starts):
            return None
        return Draw(starts[rng.integers(len(starts), size=batch_size)], weights=None)

    def prioritise(self, places: Int[np.ndarray, " batch"], errors: Float[np.ndarray, " batch"]) -> None:
        """Let errors change nothing."""

    def follow(self, envs: Int[np.ndarray, " ring"]) -> None:
        """Read the rows only when drawing."""

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return nothing."""
        return {}

    def load_state_arrays(self, arrays: Mapping[str, SavedArray]) -> None:
        """Take over nothing."""
