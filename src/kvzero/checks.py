"""Checks of what callers give that every room needs."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from numbers import Real
from operator import index
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, SupportsIndex, Union, get_args, get_origin, get_type_hints

import numpy as np

from kvzero.errors import ConfigError, KvzeroError

__all__ = ["read_field", "read_fields", "read_int"]


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
    raise error(_refusal(name, value, "an integer"))


def read_fields(config: Any) -> None:
    """Hold every field of a frozen config against its annotation, and make Python's own numbers of NumPy's.

    To be called first in `__post_init__`: what comes after can compare, and what is written to a file can be read back.
    Choices (`Literal`) are left to the config itself.

    Raises:
        ConfigError: with the name of the field, what it is, and what it should be.
    """
    config_class: Any = type(config)
    for name, kind in _kinds(config_class).items():
        value = getattr(config, name)
        if type(value) is not kind:
            object.__setattr__(config, name, _read(name, value, kind))


def read_field(config_class: type, name: str, value: object) -> object:
    """Return a value as the annotation of one field of a config class wants it.

    Raises:
        ConfigError: with the name of the field, what it is, and what it should be.
    """
    return _read(name, value, _kinds(config_class)[name])


@cache
def _kinds(config_class: type) -> dict[str, Any]:
    return get_type_hints(config_class)


def _read(name: str, value: object, kind: Any) -> object:
    """Return a value as `kind`, an annotation, or refuse it."""
    origin, kinds = get_origin(kind), get_args(kind)
    if kind in _READERS:
        return _READERS[kind](name, value)
    if origin in (Union, UnionType):
        return _read_one_of(name, value, kinds)
    if origin is tuple:
        return _read_tuple(name, value, kinds)
    if isinstance(kind, type) and not isinstance(value, kind):
        raise ConfigError(_refusal(name, value, f"an instance of {kind.__name__}"))
    return value


def _read_one_of(name: str, value: object, kinds: tuple[Any, ...]) -> object:
    if value is None and NoneType in kinds:
        return None
    first, *others = [kind for kind in kinds if kind is not NoneType]
    for kind in others:
        with suppress(ConfigError):
            return _read(name, value, kind)
    return _read(name, value, first)


def _read_tuple(name: str, value: object, kinds: tuple[Any, ...]) -> tuple[object, ...]:
    if not isinstance(value, (tuple, list)):
        raise ConfigError(_refusal(name, value, "a tuple"))
    parts = tuple(value)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(parts)
    if len(parts) != len(kinds):
        raise ConfigError(f"{name} is {value!r}; give {len(kinds)} values")
    return tuple(_read(f"{name}[{place}]", *pair) for place, pair in enumerate(zip(parts, kinds, strict=True)))


def _read_float(name: str, value: object) -> float:
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        return float(value)
    raise ConfigError(_refusal(name, value, "a number"))


def _read_bool(name: str, value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ConfigError(_refusal(name, value, "True or False"))


def _read_text(name: str, value: object) -> str:
    if isinstance(value, (str, PathLike)):
        return str(value)
    raise ConfigError(_refusal(name, value, "a string"))


def _read_path(name: str, value: object) -> Path:
    return Path(_read_text(name, value))


def _refusal(name: str, value: object, wanted: str) -> str:
    return f"{name} is {value!r}, of type {type(value).__name__}; give {wanted}"


_READERS: dict[Any, Callable[[str, object], object]] = {
    bool: _read_bool,
    float: _read_float,
    int: read_int,
    str: _read_text,
    Path: _read_path,
}
