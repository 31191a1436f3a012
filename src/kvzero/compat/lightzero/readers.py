"""How a value of a LightZero config is read: each reader takes a name and what stands there, or refuses it."""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from numbers import Real
from typing import Any

from kvzero.errors import ConfigError

__all__ = [
    "Reader",
    "choice",
    "flag",
    "flatten",
    "in_one_line",
    "number",
    "shape",
    "shown",
    "span",
    "text",
    "texts",
    "whole",
]

Reader = Callable[[str, Any], Any]

LONGEST_VALUE = 80
"""Characters of a value that a message shows: a list of configs where a number should stand would fill screens."""

LONGEST_MESSAGE = 240


def shown(value: object) -> str:
    """Return a value as a message shows it, cut where it is long."""
    return in_one_line(repr(value), LONGEST_VALUE)


def in_one_line(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text without line breaks, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a nested dict by dotted name; an empty dict has none."""
    leaves: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def whole(name: str, value: Any) -> int:
    """Read a whole number; `1e5` is one."""
    if _is_number(value) and float(value).is_integer():
        return int(value)
    raise _refusal(name, value, "a whole number")


def number(name: str, value: Any) -> float:
    """Read a finite number."""
    if _is_number(value):
        return float(value)
    raise _refusal(name, value, "a number")


def flag(name: str, value: Any) -> bool:
    """Read True or False."""
    if isinstance(value, bool):
        return value
    raise _refusal(name, value, "True or False")


def text(name: str, value: Any) -> str:
    """Read a text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise _refusal(name, value, "a text")


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Read a list of texts."""
    if isinstance(value, list | tuple):
        return tuple(text(name, part) for part in value)
    raise _refusal(name, value, "a list of texts")


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Read the shape of an observation: a number of features, or a sequence of sizes."""
    sizes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if sizes and all(_is_number(size) and float(size).is_integer() and size > 0 for size in sizes):
        return tuple(int(size) for size in sizes)
    raise _refusal(name, value, "a number of features or (channels, height, width)")


def span(name: str, value: Any) -> tuple[float, ...]:
    """Read where a support begins, where it has ended, and its step."""
    numbers = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    if len(numbers) != 3:
        raise _refusal(name, value, "three numbers (start, stop, step)")
    return tuple(number(name, part) for part in numbers)


def choice(meanings: Mapping[str, str]) -> Reader:
    """Return a reader of one of LightZero's words that gives kvzero's word for it."""

    def read(name: str, value: Any) -> str:
        if isinstance(value, str) and value in meanings:
            return meanings[value]
        raise _refusal(name, value, f"one of {', '.join(meanings)}")

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _refusal(name: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"{name} is {shown(value)}; kvzero reads {wanted} there")
