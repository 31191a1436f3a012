"""Checks of what callers give that every room needs."""

from operator import index
from typing import SupportsIndex

from kvzero.errors import ConfigError, KvzeroError

__all__ = ["read_int"]


def read_int(name: str, value: object, error: type[KvzeroError] = ConfigError) -> int:
    """Return what is an integer as an int: NumPy's integers and tensors of one integer, too, but no bool.

    Raises:
        KvzeroError: `error`, with the name and the value in its message, if it is anything else.
    """
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        try:
            return index(value)
        except TypeError:  # an array or a tensor of several numbers, or of fractions
            pass
    raise error(f"{name} is {value!r}, of type {type(value).__name__}; give an integer")
