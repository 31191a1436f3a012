"""Checks of what callers give that every room needs."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from functools import cache
from ipaddress import IPv6Address
from numbers import Real
from operator import index
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, SupportsIndex, Union, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Bool

from kvzero.errors import ConfigError, KvzeroError

__all__ = [
    "LAST_PORT", "changed_fields", "check_field", "read_address", "read_field", "read_fields", "read_int", "read_mask",
    "read_value",
]  # fmt: skip

ADDRESS = re.compile(r"(?:(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[\w.-]+)):)?(?P<port>[0-9]{1,5})")
LAST_PORT = 65_535


def changed_fields(config: Any) -> list[str]:
    """Return the names of a dataclass's fields that are not at their defaults; every field must have one."""
    defaults = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(config)
    }
    return [name for name, default in defaults.items() if getattr(config, name) != default]


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


def read_address(
    name: str, text: str, wanted: str, *, is_own: bool, error: type[KvzeroError] = ConfigError
) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, where an IPv6 address stands in brackets.

    Of an address that is this machine's own, to be found at there, the host may be missing and is "" then, and the port
    may be 0, any free one.

    Raises:
        KvzeroError: `error`, with the name, the text and `wanted`, if it is anything else.
    """
    found = ADDRESS.fullmatch(text)
    if found is not None and _is_ipv6(found["ipv6"] or "::"):
        host, port = found["ipv6"] or found["name"] or "", int(found["port"])
        if port <= LAST_PORT and (is_own or (host and port)):
            return host, port
    in_brackets = ", with an IPv6 address in brackets, as in [::1]:6379" if text.count(":") > 1 else ""
    raise error(f"{name} is {text!r}; {wanted}{in_brackets}")


def _is_ipv6(text: str) -> bool:
    with suppress(ValueError):
        return bool(IPv6Address(text).version)
    return False


def read_mask(name: str, value: object, error: type[KvzeroError] = ConfigError) -> Bool[np.ndarray, "..."]:
    """Return flags as booleans: booleans as they are, or numbers that are all zeros and ones.

    Raises:
        KvzeroError: `error`, with the name and what is no flag, if it is anything else: what is added to logits (0 and
            -inf), NaN, numbers of actions, strings.
    """
    try:
        flags = np.asarray(value)
    except (TypeError, ValueError) as cause:  # rows of different lengths, or a tensor on a GPU
        raise error(f"{name} is no array ({cause}); give one flag per action") from cause
    if flags.dtype == np.bool_:
        return flags
    is_flag = np.isin(flags, (0, 1)) if flags.dtype.kind in "iuf" else np.zeros(flags.shape, np.bool_)
    if not is_flag.all():
        raise error(
            f"{name} holds {flags[~is_flag].tolist()[0]!r}; give one flag per action, True or 1 where it is legal and "
            "False or 0 where not (of numbers that are added to logits: numbers == 0)"
        )
    return flags.astype(np.bool_)


def read_fields(config: Any) -> None:
    """Hold every field of a frozen config against its annotation, and make Python's own numbers of NumPy's.

    To be called first in `__post_init__`: what comes after can compare, and what is written to a file can be read back.

    Raises:
        ConfigError: with the name of the field, what it is, and what it should be.
    """
    config_class: Any = type(config)
    for name, kind in _kinds(config_class).items():
        value = getattr(config, name)
        if type(value) is not kind:
            object.__setattr__(config, name, read_value(name, value, kind))


def check_field(config: object, name: str, is_allowed: Callable[[Any], bool], wanted: str) -> None:
    """Refuse the value of one field of a config; `wanted` says what to give instead.

    Raises:
        ConfigError: with the name and the value, if `is_allowed` says no.
    """
    value = getattr(config, name)
    if not is_allowed(value):
        raise ConfigError(f"{name} is {value!r}; {wanted}")


def read_field(config_class: type, name: str, value: object) -> object:
    """Return a value as the annotation of one field of a config class wants it.

    Raises:
        ConfigError: with the name of the field, what it is, and what it should be.
    """
    return read_value(name, value, _kinds(config_class)[name])


@cache
def _kinds(config_class: type) -> dict[str, Any]:
    return get_type_hints(config_class)


def read_value(name: str, value: object, kind: Any) -> object:
    """Return a value as `kind`, an annotation.

    Raises:
        ConfigError: with the name, what the value is, and what it should be.
    """
    origin, kinds = get_origin(kind), get_args(kind)
    if kind in _READERS:
        return _READERS[kind](name, value)
    if origin in (Union, UnionType):
        return _read_one_of(name, value, kinds)
    if origin is Literal:
        return _read_choice(name, value, kinds)
    if origin is tuple:
        return _read_tuple(name, value, kinds)
    if origin is dict:
        return _read_dict(name, value, kinds)
    if kind is not Any and isinstance(kind, type) and not isinstance(value, kind):
        raise ConfigError(_refusal(name, value, f"an instance of {kind.__name__}"))
    return value


def _read_one_of(name: str, value: object, kinds: tuple[Any, ...]) -> object:
    if value is None and NoneType in kinds:
        return None
    first, *others = [kind for kind in kinds if kind is not NoneType]
    for kind in others:
        with suppress(ConfigError):
            return read_value(name, value, kind)
    return read_value(name, value, first)


def _read_choice(name: str, value: object, choices: tuple[Any, ...]) -> object:
    if isinstance(value, str) and value in choices:
        return value
    raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


def _read_tuple(name: str, value: object, kinds: tuple[Any, ...]) -> tuple[object, ...]:
    if not isinstance(value, (tuple, list)):
        raise ConfigError(_refusal(name, value, "a tuple"))
    parts = tuple(value)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(parts)
    if len(parts) != len(kinds):
        raise ConfigError(f"{name} is {value!r}; give {len(kinds)} values")
    return tuple(read_value(f"{name}[{place}]", *pair) for place, pair in enumerate(zip(parts, kinds, strict=True)))


def _read_dict(name: str, value: object, kinds: tuple[Any, ...]) -> dict[object, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(_refusal(name, value, "names and values"))
    of_name, of_value = kinds
    return {
        read_value(f"a name in {name}", key, of_name): read_value(f"{name}[{key!r}]", held, of_value)
        for key, held in value.items()
    }


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
