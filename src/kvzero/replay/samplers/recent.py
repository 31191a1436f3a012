"""The sampler that draws a part of its starts from the newest rows, and the others from all."""

import numpy as np
from jaxtyping import Bool

from kvzero.replay.rows import Rows
from kvzero.replay.samplers.sampler import Draw, Sampler

__all__ = ["RecentSampler"]


class RecentSampler(Sampler):
    """Draws a share of the starts from the newest rows, as Wang & Ross 2019 put weight on recent experience.

    Returns along older rows are what the policies of then earned. The newest rows show what today's earns; the others
    keep what it no longer meets from being forgotten.
    """

    def __init__(self, rows: Rows, *, num_rows: int, share: float, final_share: float) -> None:
        """Take the rows, how many of them are new, over all environments, and the share of draws from those.

        In the second half of the run, that moves to its final one.
        """
        self._rows = rows
        self._num_rows = num_rows
        self._share = share
        self._final_share = final_share

    def draw(self, batch_size: int, *, progress: float, rng: np.random.Generator) -> Draw | None:
        """Draw starts."""
        is_start = self._rows.is_start()
        starts = np.flatnonzero(is_start)
        if not len(starts):
            return None
        recent = np.flatnonzero(is_start & self._is_recent())
        num_recent = round(self._share_at(progress) * batch_size) if len(recent) else 0
        newest = recent[rng.integers(max(len(recent), 1), size=num_recent)]
        others = starts[rng.integers(len(starts), size=batch_size - num_recent)]
        return Draw(np.concatenate([newest, others]), weights=None)

    def _share_at(self, progress: float) -> float:
        moved = min(max(2 * progress - 1, 0.0), 1.0)
        return self._share + moved * (self._final_share - self._share)

    def _is_recent(self) -> Bool[np.ndarray, "env slot"]:
        num_envs, rows_per_env = self._rows.kinds.shape
        num_newer = self._rows.num_newer(np.arange(num_envs)[:, None], np.arange(rows_per_env)[None])
        is_recent: Bool[np.ndarray, "env slot"] = num_newer < -(-self._num_rows // num_envs)
        return is_recent
