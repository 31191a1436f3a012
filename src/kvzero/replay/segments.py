"""What a sample looks like, and how windows are cut from the rings: where they end and what stands behind the end."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped

from kvzero.replay.rows import STEP, TERMINATED, Rows
from kvzero.replay.sampler import Draw

__all__ = ["Segments", "cut_segments"]


@dataclass(frozen=True, slots=True)
class Segments:
    """A batch of windows of consecutive rows, each from one episode.

    Row `t` holds observation `t`, the action taken there, the reward that followed, and the search's policy and value
    there. Rows behind `ends` are absorbing padding: the observation at `ends` again, a random action, and zeros. An
    end row has no action either: it holds a random one, and zeros. All arrays are the caller's own.
    """

    observations: Shaped[np.ndarray, "batch time *obs"]
    """uint8 for images, float32 for vectors."""

    actions: Shaped[np.ndarray, "batch time *dim"]
    """Action taken at each row, int64 numbers or float32 vectors; uniformly random where none was."""

    rewards: Float32[np.ndarray, "batch time"]
    """Reward that followed each row's action, as trained on."""

    policies: Float32[np.ndarray, "batch time action"]
    """Share of the search's visits per action; all zero where no search was made."""

    root_values: Float32[np.ndarray, "batch time"]
    """Mean value that the search found at each row's observation."""

    ends: Int64[np.ndarray, " batch"]
    """Index of the last real row: an episode's end, a running episode's newest row, or the last of the window."""

    terminated: Bool[np.ndarray, " batch"]
    """Whether the row at `ends` is a true termination: no reward ever follows, the value there is 0."""

    indices: Int64[np.ndarray, " batch"]
    """Place of each window's first row in the replay, for `Replay.update_priorities`."""

    weights: Float32[np.ndarray, " batch"]
    """Importance weights of the windows; 1 when sampling uniformly."""

    action_sets: Float32[np.ndarray, "batch time action *dim"] | None = None
    """The continuous actions that `policies` are over, arbitrary where those are zero; None for numbered actions."""


def cut_segments(rows: Rows, draw: Draw, *, num_steps: int, rng: np.random.Generator) -> Segments:
    """Cut the window of `num_steps + 1` rows that starts at each drawn row."""
    offsets = np.arange(num_steps + 1)
    places, ends = _places(rows, draw.indices, offsets)
    kinds = rows.kinds.reshape(-1)[places]
    is_padding = offsets > ends[:, None]
    is_blank = is_padding | (kinds != STEP)
    return Segments(
        observations=_take(rows.observations, places),
        actions=_take_actions(rows, places, is_blank, rng),
        rewards=_take_zeroed(rows.rewards, places, is_padding),
        policies=_take_zeroed(rows.policies, places, is_padding),
        root_values=_take_zeroed(rows.root_values, places, is_padding),
        ends=ends,
        terminated=kinds[:, -1] == TERMINATED,  # padding repeats the row at `ends`
        indices=draw.indices,
        weights=draw.weights,
        action_sets=None if rows.action_sets is None else _take(rows.action_sets, places),
    )


def _take_actions(
    rows: Rows,
    places: Int64[np.ndarray, "batch time"],
    is_blank: Bool[np.ndarray, "batch time"],
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "batch time *dim"]:
    """Copy the actions at these places, with random ones where `is_blank`."""
    taken = _take(rows.actions, places)
    if rows.action_sets is None:
        return np.where(is_blank, rng.integers(rows.policies.shape[-1], size=places.shape), taken)
    return np.where(is_blank[..., None], rng.uniform(-1, 1, taken.shape).astype(np.float32), taken)


def _places(
    rows: Rows, starts: Int64[np.ndarray, " batch"], offsets: Int64[np.ndarray, " time"]
) -> tuple[Int64[np.ndarray, "batch time"], Int64[np.ndarray, " batch"]]:
    """Return the place of every row of the windows, and the index of the last real one, which the others repeat."""
    envs, slots = np.divmod(starts, rows.rows_per_env)
    num_newer = (rows.newest_slots()[envs] - slots) % rows.rows_per_env
    steps = np.minimum(offsets, num_newer[:, None])  # [batch, time]
    slots_on = slots[:, None] + steps
    slots_on[slots_on >= rows.rows_per_env] -= rows.rows_per_env
    places = envs[:, None] * rows.rows_per_env + slots_on
    is_end = rows.kinds.reshape(-1)[places] != STEP
    is_end[:, -1] = True
    ends = np.minimum(is_end.argmax(axis=1), num_newer)
    return np.take_along_axis(places, np.minimum(offsets, ends[:, None]), axis=1), ends


def _take(
    ring: Shaped[np.ndarray, "env slot *field"], places: Int64[np.ndarray, "batch time"]
) -> Shaped[np.ndarray, "batch time *field"]:
    """Copy the rows at these places."""
    return ring.reshape(-1, *ring.shape[2:]).take(places, axis=0)


def _take_zeroed(
    ring: Float32[np.ndarray, "env slot *field"],
    places: Int64[np.ndarray, "batch time"],
    is_zero: Bool[np.ndarray, "batch time"],
) -> Float32[np.ndarray, "batch time *field"]:
    """Copy the rows at these places, with zeros where `is_zero`."""
    taken = _take(ring, places)
    np.copyto(taken, 0, where=is_zero.reshape(*is_zero.shape, *[1] * (taken.ndim - is_zero.ndim)))
    return taken
