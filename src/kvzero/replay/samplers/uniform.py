"""The sampler that draws every start with the same probability."""

import numpy as np

from kvzero.replay.rows import Rows
from kvzero.replay.samplers.sampler import Draw, Sampler

__all__ = ["UniformSampler"]


class UniformSampler(Sampler):
    """Draws every start alike, whatever was predicted there: it remembers nothing."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def draw(self, batch_size: int, *, progress: float, rng: np.random.Generator) -> Draw | None:
        """Draw starts, wherever the run is."""
        starts = np.flatnonzero(self._rows.is_start())
        if not len(starts):
            return None
        return Draw(starts[rng.integers(len(starts), size=batch_size)], weights=None)
