"""Arrays as text in a page: bytes in base 64, in the smallest type that holds their numbers exactly."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["pack"]

SIGNED: tuple[type[np.integer[Any]], ...] = (np.int8, np.int16, np.int32)
UNSIGNED: tuple[type[np.integer[Any]], ...] = (np.uint8, np.uint16, np.uint32)


def pack(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return type, shape and bytes of each array by its name; type names are those of JavaScript's typed arrays."""
    return {name: _pack_one(array) for name, array in arrays.items()}


def _pack_one(array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind in "iub":
        array = array.astype(_smallest(array))
    little = array.astype(array.dtype.newbyteorder("<"))
    kind = {"i": "Int", "u": "Uint", "f": "Float"}[array.dtype.kind]
    return {
        "type": f"{kind}{8 * array.itemsize}Array",
        "shape": list(array.shape),
        "data": b64encode(little.tobytes()).decode(),
    }


def _smallest(array: np.ndarray) -> type[np.integer[Any]]:
    """Return the smallest type of integers that holds all of these; JavaScript's own end at 32 bits."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    kinds = SIGNED if low < 0 else UNSIGNED
    return next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
