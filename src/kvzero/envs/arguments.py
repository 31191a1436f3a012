"""Arguments for an environment's constructor: names, and values that JSON can hold."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from kvzero.errors import ConfigError

__all__ = ["EnvArguments", "read_arguments"]

EnvArguments = dict[str, Any]
"""Arguments by name."""


def read_arguments(given: object) -> EnvArguments:
    """Return a copy in which tuples are lists, as they would be once read from a file.

    Raises:
        ConfigError: if it is no mapping, a name is none that Python has, it is kvzero that gives the argument, or a
            value is not made of None, True, False, finite numbers, strings, lists and dicts.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"env_kwargs is {given!r}; give names and values, such as {{'size': 8}}")
    return {_read_name(name): _read_value(f"env_kwargs[{name!r}]", value) for name, value in given.items()}


def _read_name(name: object) -> str:
    if not (isinstance(name, str) and name.isidentifier()):
        raise ConfigError(f"env_kwargs names {name!r}; give the name of an argument, such as size")
    if name == "render_mode":
        raise ConfigError("env_kwargs names render_mode, which is given where frames are wanted; leave it out")
    return name


def _read_value(place: str, value: object) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [_read_value(f"{place}[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _read_value(f"{place}[{key!r}]", part) for key, part in value.items()}
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ConfigError(
        f"{place} is {value!r}, which config.json cannot hold; give None, True, False, finite numbers, strings, and "
        "lists or dicts of them"
    )
