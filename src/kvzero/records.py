"""Frozen records that rooms hand to each other and that no single room owns, and their way to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import cattrs
from cattrs.errors import BaseValidationError
from cattrs.v import format_exception

from kvzero.errors import ConfigError

__all__ = ["EnvSpec", "structure", "unstructure"]

Record = TypeVar("Record")

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def _whole_number(found: object, _: type[int]) -> int:
    if not isinstance(found, int) or isinstance(found, bool):
        raise ConfigError(f"{found!r} is not a whole number")
    return found


def _truth(found: object, _: type[bool]) -> bool:
    if not isinstance(found, bool):
        raise ConfigError(f"{found!r} is neither true nor false")
    return found


_CONVERTER.register_structure_hook(int, _whole_number)
_CONVERTER.register_structure_hook(bool, _truth)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """What an environment shows and accepts: the shape of one observation and the number of actions."""

    observation_shape: tuple[int, ...]
    """Shape of one observation: `(feature,)` for a vector, `(channel, height, width)` for an image."""

    num_actions: int
    """Number of discrete actions."""

    def __post_init__(self) -> None:
        if len(self.observation_shape) not in (1, 3) or min(self.observation_shape) < 1:
            raise ConfigError(
                f"observation_shape is {self.observation_shape}; kvzero reads vectors (feature,) "
                "and images (channel, height, width) with positive sizes"
            )
        if self.num_actions < 1:
            raise ConfigError(f"num_actions is {self.num_actions}; an agent needs at least one action")

    @property
    def is_image(self) -> bool:
        """Whether an observation is an image, stored as bytes (uint8), rather than a vector of float32."""
        return len(self.observation_shape) == 3


def unstructure(record: object) -> Any:
    """Return a record as dicts, lists and numbers that JSON can hold."""
    return _CONVERTER.unstructure(record)


def structure(found: object, kind: type[Record]) -> Record:
    """Return the record that `unstructure` took apart.

    Raises:
        ConfigError: if a field is unknown, missing or of another type.
    """
    if not isinstance(found, Mapping):
        raise ConfigError(f"a {kind.__name__} is read from names and values, not from {found!r}")
    try:
        return _CONVERTER.structure(found, kind)
    except BaseValidationError as error:
        raise ConfigError("; ".join(cattrs.transform_error(error, format_exception=_describe))) from error


def _describe(error: BaseException, kind: Any) -> str:
    """Return what a user is told of one wrong field: our own words where there are any."""
    return str(error) if isinstance(error, ConfigError) else format_exception(error, kind)
