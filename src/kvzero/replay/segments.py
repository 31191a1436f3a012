"""What a sample looks like, and how segments are cut from the rings: where they end and what stands behind the end."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped

from kvzero.replay.row_spec import Field
from kvzero.replay.rows import STEP, TERMINATED, Rows
from kvzero.replay.samplers import Draw

__all__ = ["Segments", "cut_segments"]


@dataclass(frozen=True, slots=True)
class Segments:
    """A batch of segments: consecutive rows, each segment from one episode.

    Row `t` holds observation `t`, the action taken there, and what came of it. Rows behind `ends` are absorbing
    padding: the observation at `ends` again, a random action, and blanks. An end row has no action either: it holds a
    random one, and blanks. All arrays are the caller's own.
    """

    fields: Mapping[str, Shaped[np.ndarray, "batch time ..."]]
    """By the names in `RowSpec`, in its types; numbered actions are int64."""

    ends: Int64[np.ndarray, " batch"]
    """Index of the last real row: an episode's end, a running episode's newest row, or the last of the segment."""

    terminated: Bool[np.ndarray, " batch"]
    """Whether the row at `ends` is a true termination: no reward ever follows, the value there is 0."""

    places: Int64[np.ndarray, " batch"]
    """Where the segments start, by which `Replay.prioritise` knows them."""

    weights: Float32[np.ndarray, " batch"] | None
    """How much each segment counts in the loss, the largest 1; None where all count alike."""


def cut_segments(rows: Rows, draw: Draw, *, num_steps: int, rng: np.random.Generator) -> Segments:
    """Cut the segment of `num_steps + 1` rows that starts at each of the drawn places."""
    offsets = np.arange(num_steps + 1)
    places, ends = _places(rows, draw.places, offsets)
    kinds = rows.kinds.reshape(-1)[places]
    is_padding = offsets > ends[:, None]
    fields = {name: _take(rows.by_place(name), places, is_padding, field.blank) for name, field in rows.spec.items()}
    is_blank = is_padding | (kinds != STEP)
    fields["actions"] = _with_random(fields["actions"], is_blank, rows.spec["actions"], rng)
    terminated = kinds[:, -1] == TERMINATED  # padding repeats the row at `ends`
    return Segments(fields=fields, ends=ends, terminated=terminated, places=draw.places, weights=draw.weights)


def _places(
    rows: Rows, starts: Int64[np.ndarray, " batch"], offsets: Int64[np.ndarray, " time"]
) -> tuple[Int64[np.ndarray, "batch time"], Int64[np.ndarray, " batch"]]:
    """Return the place of every row of the segments, and the index of the last real one, which the others repeat."""
    envs, slots = np.divmod(starts, rows.rows_per_env)
    num_newer = rows.num_newer(envs, slots)
    steps = np.minimum(offsets, num_newer[:, None])  # [batch, time]
    slots_on = slots[:, None] + steps
    slots_on[slots_on >= rows.rows_per_env] -= rows.rows_per_env
    places = envs[:, None] * rows.rows_per_env + slots_on
    is_end = rows.kinds.reshape(-1)[places] != STEP
    is_end[:, -1] = True
    ends = np.minimum(is_end.argmax(axis=1), num_newer)
    return np.take_along_axis(places, np.minimum(offsets, ends[:, None]), axis=1), ends


def _take(
    by_place: Shaped[np.ndarray, "place *field"],
    places: Int64[np.ndarray, "batch time"],
    is_padding: Bool[np.ndarray, "batch time"],
    blank: int | None,
) -> Shaped[np.ndarray, "batch time *field"]:
    """Copy the rows at these places, blank where `is_padding`."""
    taken = by_place.take(places, axis=0)
    if blank is not None:
        taken[is_padding] = blank
    return taken


def _with_random(
    actions: Shaped[np.ndarray, "batch time *dim"],
    is_blank: Bool[np.ndarray, "batch time"],
    field: Field,
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "batch time *dim"]:
    """Return the actions, uniformly random ones where `is_blank`."""
    low, high = field.bounds
    if actions.dtype.kind == "i":
        return np.where(is_blank, rng.integers(int(low), int(high) + 1, size=actions.shape), actions)
    return np.where(is_blank[..., None], rng.uniform(low, high, actions.shape).astype(field.dtype), actions)
