"""Prioritised replay (Schaul et al. 2016): what was predicted worse is drawn more often, and counts less each time."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from kvzero.errors import PriorityError
from kvzero.replay.rows import STEP, Rows
from kvzero.replay.samplers.sampler import Draw
from kvzero.replay.samplers.sum_tree import SumTree
from kvzero.replay.snapshot import SavedArray, read_array

__all__ = ["PrioritisedSampler"]

MASSES, LARGEST = "sampler.masses", "sampler.largest"
PENDING_PLACES, PENDING_MASSES = "sampler.pending_places", "sampler.pending_masses"

TINY = 1e-6
"""Added to every error, so that what is predicted without any is drawn again some day."""


class PrioritisedSampler:
    """Draws a start by the error of what was last predicted there, `(error + 1e-6) ** alpha` over their sum.

    A start of which nothing was predicted yet has the largest priority that any ever had, at least 1. What cannot be
    started at, an end row or a running episode's newest one, has none and is never drawn.

    Draws are stratified: each falls into a part of its own of `batch_size` equal parts of the sum. How often a start is
    drawn is made up for by its weight in the loss, `(N P) ** -beta` of `N` starts and the start's probability `P`,
    divided by the largest of the batch, where `N` and the sum of priorities cancel. `beta` rises linearly to 1.

    Errors change the draws when the next row is written, and not before: however many batches are drawn between two
    rows, ahead or on demand, they follow the same priorities. A run's batches depend on no thread's timing, therefore.

    Args:
        rows: what is drawn from.
        alpha: how strictly draws follow errors, from just above 0 (hardly) to 1.
        beta: how far weights make up for it when the run begins.
    """

    def __init__(self, rows: Rows, *, alpha: float, beta: float) -> None:
        self._rows = rows
        self._alpha = alpha
        self._beta = beta
        self._tree = SumTree(rows.kinds.size)
        self._largest = np.ones(1)  # mass of what nothing was predicted of yet
        self._pending: list[tuple[Int64[np.ndarray, " batch"], Float64[np.ndarray, " batch"]]] = []

    def draw(self, batch_size: int, *, progress: float, rng: np.random.Generator) -> Draw | None:
        """Draw starts by their priorities."""
        total = self._tree.total
        if total == 0:
            return None
        places = self._tree.find((np.arange(batch_size) + rng.random(batch_size)) * (total / batch_size))
        masses, beta = self._tree.masses[places], self._beta + min(progress, 1.0) * (1 - self._beta)
        return Draw(places, weights=((masses.min() / masses) ** beta).astype(np.float32))

    def prioritise(self, places: Int[np.ndarray, " batch"], errors: Float[np.ndarray, " batch"]) -> None:
        """Keep errors until the next row is written.

        Raises:
            PriorityError: if an error is NaN, infinite or negative; nothing is changed then.
        """
        is_wrong = ~(np.isfinite(errors) & (errors >= 0))
        if is_wrong.any():
            raise PriorityError(
                f"the error of what was predicted at a step is {errors[is_wrong][0]}; give finite numbers of at least "
                "0: where rewards or values overflow, make rewards smaller, or draw with sampler=uniform"
            )
        self._pending.append((places.astype(np.int64), (errors.astype(np.float64) + TINY) ** self._alpha))

    def follow(self, envs: Int[np.ndarray, " ring"]) -> None:
        """Put in the errors, the newest of a start last; then make startable what the new rows come after."""
        if self._pending:
            self._put_in(*self._join_pending())
            self._pending.clear()
        per_ring, newest = self._rows.rows_per_env, self._rows.newest_slots()[envs]
        before = (newest - 1) % per_ring
        is_start = self._rows.kinds[envs, before] == STEP
        self._tree.put(envs * per_ring + newest, 0.0)
        self._tree.put((envs * per_ring + before)[is_start], self._largest[0])

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return all masses, the largest that any had, and what waits for the next row, if anything does."""
        arrays = {MASSES: self._tree.masses, LARGEST: self._largest}
        if self._pending:
            arrays[PENDING_PLACES], arrays[PENDING_MASSES] = self._join_pending()
        return arrays

    def load_state_arrays(self, arrays: Mapping[str, SavedArray]) -> None:
        """Take over the priorities of a checkpoint."""
        masses = read_array(arrays, MASSES, self._tree.masses)
        self._largest = read_array(arrays, LARGEST, self._largest)
        if PENDING_PLACES in arrays:
            places = read_array(arrays, PENDING_PLACES, np.empty(arrays[PENDING_PLACES].shape, np.int64))
            self._pending = [(places, read_array(arrays, PENDING_MASSES, np.empty(places.shape)))]
        self._tree.put(np.arange(len(masses)), masses)

    def _join_pending(self) -> tuple[Int64[np.ndarray, " pending"], Float64[np.ndarray, " pending"]]:
        """Return what waits for the next row: places and their new masses."""
        places, masses = zip(*self._pending, strict=True)
        return np.concatenate(places), np.concatenate(masses)

    def _put_in(self, places: Int64[np.ndarray, " pending"], masses: Float64[np.ndarray, " pending"]) -> None:
        can_start = self._tree.masses[places] > 0  # a caller may be late, and something else stand there by now
        self._tree.put(places[can_start], masses[can_start])
        self._largest = np.maximum(self._largest, masses.max())
