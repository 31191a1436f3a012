"""Arrays in a safetensors file, read a part at a time, so that what is read into is all the memory that it takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from kvzero.files import reachable
from kvzero.replay import SavedArray

__all__ = ["list_arrays"]


class FileArray:
    """One array of a file, as the replay's `SavedArray`."""

    def __init__(self, path: Path, name: str, part: Any) -> None:  # safetensors gives its slices no type
        self._path = path
        self._name = name
        self.shape: tuple[int, ...] = tuple(part.get_shape())
        self.dtype = _numpy_type(part.get_dtype())

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Read these rows from the file."""
        # Opened anew for each part: as long as it is open, all that was read counts as memory of this process.
        with reachable(self._path) as place, safe_open(place, framework="numpy") as file:
            array: np.ndarray = file.get_slice(self._name)[rows]
        return array


def list_arrays(path: Path) -> Mapping[str, SavedArray]:
    """Return the arrays of a file by name; their numbers are read when they are asked for.

    Raises:
        OSError, SafetensorError, ValueError: if it is missing, cut short, or holds a type that NumPy has not.
    """
    with reachable(path) as place, safe_open(place, framework="numpy") as file:
        return {name: FileArray(path, name, file.get_slice(name)) for name in file.keys()}  # noqa: SIM118  # no mapping


def _numpy_type(code: str) -> np.dtype[Any]:
    """Return what safetensors calls `F32`, `I64`, `U8` or `BOOL`."""
    return np.dtype(np.bool_) if code == "BOOL" else np.dtype(f"{code[0].lower()}{int(code[1:]) // 8}")
