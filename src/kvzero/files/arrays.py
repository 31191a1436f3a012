"""NumPy arrays in safetensors files, wherever they lie."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from kvzero.files.reachable import reachable

__all__ = ["load_arrays", "save_arrays"]


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file, by name.

    Raises:
        OSError, SafetensorError: if it is missing or damaged.
    """
    with reachable(path) as place:
        arrays: dict[str, np.ndarray] = load_file(place)
        return arrays


def save_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write arrays into a file, by name.

    Raises:
        OSError, SafetensorError: if it cannot be written.
    """
    with reachable(path) as place:
        save_file(dict(arrays), place)
