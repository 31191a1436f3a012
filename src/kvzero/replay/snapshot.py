"""How the replay goes into a checkpoint and comes back: the written part of every ring, slot for slot."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kvzero.errors import CheckpointError
from kvzero.replay.rows import NOTHING, Rows

__all__ = ["SavedArray", "load_rows", "read_array", "save_rows"]

ROWS_AT_ONCE = 1024


@runtime_checkable
class SavedArray(Protocol):
    """What loading asks of an array: its form, and some of its rows at a time. NumPy's arrays fit, in files or not."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return the rows from `rows.start` to before `rows.stop`, of which there is at least one."""


def save_rows(rows: Rows) -> dict[str, np.ndarray]:
    """Return the written part of the rings as one array per field and environment, `field.env`.

    They are views, so that saving a large replay costs no memory: write them out before the next step is added.
    """
    arrays = {"num_written": rows.num_written, "rows_per_env": np.array([rows.rows_per_env])}
    for name, ring in rows.rings().items():
        for env, num_filled in enumerate(_num_filled(rows, rows.num_written)):
            arrays[f"{name}.{env}"] = ring[env, :num_filled]
    return arrays


def load_rows(rows: Rows, arrays: Mapping[str, SavedArray]) -> None:
    """Put back what `save_rows` returned, a part of one array at a time; arrays that no field needs are left alone.

    Raises:
        CheckpointError: if the arrays are of another environment, capacity or number of environments; nothing is
            changed then.
    """
    _check_same(arrays, "rows_per_env", np.array([rows.rows_per_env]))
    num_written = read_array(arrays, "num_written", rows.num_written)
    num_filled = _num_filled(rows, num_written)
    targets = {
        f"{name}.{env}": ring[env, : num_filled[env]]
        for name, ring in rows.rings().items()
        for env in range(len(num_filled))
    }
    for key, target in targets.items():
        _check_form(arrays, key, target)
    rows.kinds[:] = NOTHING
    rows.num_written[:] = num_written
    for key, target in targets.items():
        _fill(target, arrays[key])


def read_array(arrays: Mapping[str, SavedArray], key: str, like: np.ndarray) -> np.ndarray:
    """Return one saved array whole.

    Raises:
        CheckpointError: if it is missing, or has another shape or type than `like`, which is not empty.
    """
    _check_form(arrays, key, like)
    return arrays[key][0 : len(like)]


def _num_filled(rows: Rows, num_written: np.ndarray) -> list[int]:
    """Return how many slots of each ring hold a row."""
    return [int(count) for count in np.clip(num_written, 0, rows.rows_per_env)]


def _fill(target: np.ndarray, array: SavedArray) -> None:
    for start in range(0, len(target), ROWS_AT_ONCE):
        part = slice(start, min(start + ROWS_AT_ONCE, len(target)))
        target[part] = array[part]


def _check_form(arrays: Mapping[str, SavedArray], key: str, target: np.ndarray) -> None:
    """Refuse an array that is missing or has another shape or type than this replay's."""
    if key not in arrays:
        raise CheckpointError(
            f"the saved replay has no {key!r}; it is damaged, or of a run with fewer environments or another sampler"
        )
    found = arrays[key]
    if found.shape != target.shape or found.dtype != target.dtype:
        raise CheckpointError(
            f"{key!r} of the saved replay is {found.dtype} {found.shape}, this run keeps {target.dtype} "
            f"{target.shape}; resume with the configuration that the checkpoint was made with"
        )


def _check_same(arrays: Mapping[str, SavedArray], key: str, expected: np.ndarray) -> None:
    """Refuse an array that holds something else than expected."""
    found = read_array(arrays, key, expected)
    if not np.array_equal(found, expected):
        raise CheckpointError(
            f"{key} of the saved replay is {found.tolist()}, of this run {expected.tolist()}; "
            "resume with the replay_capacity that the checkpoint was made with"
        )
