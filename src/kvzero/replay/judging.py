"""Which rows are to be searched again, and how they are cut into chunks, with what came before them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from kvzero.replay.rows import STEP, Rows

__all__ = ["Chunks", "cut_chunks", "find_oldest_judged"]

CHUNK_ROWS = 32
"""Neighbours that are put into one chunk: the more, the less of it is context; the fewer, the less is padding."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks of neighbouring rows to be searched again, newest row last, padded on the left.

    Before the rows of a chunk stand those that they have to be seen with, all of one episode.
    """

    fields: Mapping[str, Shaped[np.ndarray, "chunk time ..."]]
    """Observations, actions and, where actions are numbered, which of them were legal; the caller's own."""

    is_valid: Bool[np.ndarray, "chunk time"]
    """Which rows there are."""

    is_root: Bool[np.ndarray, "chunk time"]
    """Which of them are to be searched; the last of every chunk is."""

    places: Int64[np.ndarray, " root"]
    """Where these are kept, `env * rows_per_env + slot`, chunk by chunk and the oldest of each first."""

    numbers: Int64[np.ndarray, " root"]
    """Which rows of their environments these are, counted from 0 over the whole run."""


def find_oldest_judged(rows: Rows, num_rows: int, *, before: int) -> Int64[np.ndarray, " row"]:
    """Return the places of the steps whose newest search is the oldest, made by weights of fewer updates than `before`.

    They are at most `num_rows`; of equally old ones those of the first environments are taken, then those written
    first. They come environment by environment, in the order in which they were written.
    """
    order = _written_order(rows)
    judged_at = np.take_along_axis(rows.fields["judged_at"], order, axis=1).reshape(-1)
    is_step = np.take_along_axis(rows.kinds, order, axis=1).reshape(-1) == STEP
    found = np.flatnonzero(is_step & (judged_at < before))
    if len(found) > num_rows:
        newest = np.partition(judged_at[found], num_rows - 1)[num_rows - 1]
        is_older = judged_at[found] < newest
        ties = np.flatnonzero(judged_at[found] == newest)[: num_rows - np.count_nonzero(is_older)]
        is_older[ties] = True
        found = found[is_older]
    envs = found // rows.rows_per_env
    places: Int64[np.ndarray, " row"] = envs * rows.rows_per_env + order.reshape(-1)[found]
    return places


def cut_chunks(
    rows: Rows, places: Int64[np.ndarray, " row"], *, context_steps: int, rows_at_once: int
) -> Iterator[Chunks]:
    """Cut steps that `find_oldest_judged` returned into chunks, at most `rows_at_once` steps together.

    A chunk has at most 32 steps, and before them up to `context_steps` rows of their episode, as far as they are held.
    """
    bounds = _bounds(rows, places, longest=min(CHUNK_ROWS, rows_at_once))
    first = 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + rows_at_once, side="right")) - 1
        yield _pack(rows, places, bounds[first : last + 1], context_steps)
        first = last


def _bounds(rows: Rows, places: Int64[np.ndarray, " row"], *, longest: int) -> Int64[np.ndarray, " bound"]:
    """Return where chunks begin in `places`, and its length: at gaps, and where one would become too long."""
    envs, numbers = _numbers(rows, places)
    is_gap = (np.diff(envs) != 0) | (np.diff(numbers) != 1)
    runs = [0, *(np.flatnonzero(is_gap) + 1), len(places)]
    starts = [np.arange(start, end, longest) for start, end in pairwise(runs)]
    return np.concatenate([*starts, [len(places)]]).astype(np.int64)


def _pack(
    rows: Rows, places: Int64[np.ndarray, " row"], bounds: Int64[np.ndarray, " bound"], context_steps: int
) -> Chunks:
    envs, starts = _numbers(rows, places[bounds[:-1]])
    sizes = np.diff(bounds)
    depths = _depths(rows, envs, starts, context_steps)
    times = np.arange(-(depths + sizes).max(), 0)
    numbers = (starts + sizes)[:, None] + times  # [chunk, time]
    is_root = numbers >= starts[:, None]
    is_valid = numbers >= (starts - depths)[:, None]
    found = envs[:, None] * rows.rows_per_env + numbers % rows.rows_per_env
    names = [name for name in ("observations", "actions", "action_masks") if name in rows.spec]
    return Chunks(
        fields={name: rows.by_place(name).take(found, axis=0) for name in names},
        is_valid=is_valid,
        is_root=is_root,
        places=places[bounds[0] : bounds[-1]],
        numbers=numbers[is_root],
    )


def _depths(
    rows: Rows, envs: Int64[np.ndarray, " chunk"], starts: Int64[np.ndarray, " chunk"], most: int
) -> Int64[np.ndarray, " chunk"]:
    """Return how many rows before each of these are held and of the same episode, at most `most`."""
    numbers = starts[:, None] - np.arange(1, most + 1)
    is_held = (numbers >= 0) & (numbers >= rows.num_written[envs, None] - rows.rows_per_env)
    is_same = is_held & (rows.kinds[envs[:, None], numbers % rows.rows_per_env] == STEP)
    depths: Int64[np.ndarray, " chunk"] = np.logical_and.accumulate(is_same, axis=1).sum(1)
    return depths


def _numbers(
    rows: Rows, places: Int64[np.ndarray, " row"]
) -> tuple[Int64[np.ndarray, " row"], Int64[np.ndarray, " row"]]:
    """Return the environment of each place, and the number of the row there, counted from 0 over the whole run."""
    envs, slots = np.divmod(places, rows.rows_per_env)
    return envs, rows.num_written[envs] - 1 - rows.num_newer(envs, slots)


def _written_order(rows: Rows) -> Int64[np.ndarray, "env slot"]:
    """Return the slots of every ring, the one written longest ago first; slots that hold nothing come first."""
    order: Int64[np.ndarray, "env slot"] = (
        rows.num_written[:, None] + np.arange(rows.rows_per_env)
    ) % rows.rows_per_env
    return order
