"""Frozen records that rooms hand to each other and that no single room owns, and their way to JSON and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import partial
from math import isfinite
from typing import Any, Literal, TypeVar, get_type_hints

import cattrs
import numpy as np
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.v import format_exception

from kvzero.checks import read_fields, read_value
from kvzero.errors import CheckpointError, ConfigError

__all__ = ["EnvSpec", "load_rng_state", "rng_state", "structure", "unstructure"]

Record = TypeVar("Record")

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


@_CONVERTER.register_structure_hook_factory(is_dataclass)
def _take_apart(kind: Any) -> Callable[..., Any]:
    """Return what makes a record of a mapping: cattrs takes it apart, `read_value` reads what is no record itself.

    A record that was written otherwise by earlier versions has a static method `upgrade`, which makes today's mapping.
    """
    fields: dict[str, Any] = {
        name: override(struct_hook=partial(read_value, name))
        for name, annotation in get_type_hints(kind).items()
        if not is_dataclass(annotation)
    }
    read: Callable[..., Any] = make_dict_structure_fn(kind, _CONVERTER, **fields)
    upgrade = getattr(kind, "upgrade", None)
    return read if upgrade is None else lambda found, to: read(upgrade(found), to)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """What an environment shows and accepts: the shape of one observation, and its actions, numbered or continuous.

    Exactly one of `num_actions` and `action_dim` is given.
    """

    observation_shape: tuple[int, ...]
    """Shape of one observation: `(feature,)` for a vector, `(channel, height, width)` for an image."""

    pixels: Literal["bytes", "flags", "floats"] = "bytes"
    """Images only: numbers that they are made of; bytes from 0 to 255, flags, or floats within `pixel_bounds`."""

    pixel_bounds: tuple[tuple[float, float], ...] = ()
    """Images of floats only: for each channel the lowest and the highest number, which a network sees as 0 and 1."""

    num_actions: int = 0
    """Number of discrete actions; 0 where actions are continuous."""

    action_dim: int = 0
    """Numbers in one continuous action, each of them from -1 to 1 for the agent; 0 where actions are numbered."""

    action_bounds: tuple[tuple[float, float], ...] = ()
    """What -1 and 1 stand for in the environment's own units, for each number of an action; not given, themselves."""

    def __post_init__(self) -> None:
        read_fields(self)
        if len(self.observation_shape) not in (1, 3) or min(self.observation_shape) < 1:
            raise ConfigError(
                f"observation_shape is {self.observation_shape}; kvzero reads vectors (feature,) "
                "and images (channel, height, width) with positive sizes"
            )
        self._check_pixels()
        if min(self.num_actions, self.action_dim) < 0 or (self.num_actions > 0) == (self.action_dim > 0):
            raise ConfigError(
                f"num_actions is {self.num_actions} and action_dim is {self.action_dim}; an agent needs at least one "
                "action: give num_actions where actions are numbered, action_dim where they are vectors, not both"
            )
        if self.action_bounds and len(self.action_bounds) != self.action_dim:
            raise ConfigError(
                f"action_bounds holds {len(self.action_bounds)} pairs; give one for each number of an action, "
                f"{self.action_dim}"
            )
        _check_bounds("action_bounds", self.action_bounds)

    def _check_pixels(self) -> None:
        if self.pixels != "bytes" and not self.is_image:
            raise ConfigError(f"pixels is {self.pixels} but observation_shape is that of a vector; leave it at bytes")
        num_bounded = self.observation_shape[0] if self.pixels == "floats" else 0
        if len(self.pixel_bounds) != num_bounded:
            raise ConfigError(
                f"pixel_bounds holds {len(self.pixel_bounds)} pairs; give one for each channel of an image of floats, "
                f"and none for other observations: here {num_bounded}"
            )
        _check_bounds("pixel_bounds", self.pixel_bounds)

    @property
    def is_image(self) -> bool:
        """Whether an observation is an image rather than a vector of float32."""
        return len(self.observation_shape) == 3

    @property
    def observation_dtype(self) -> type[np.generic]:
        """Type in which observations are delivered, kept and shown to a network."""
        if not self.is_image or self.pixels == "floats":
            return np.float32
        return np.bool_ if self.pixels == "flags" else np.uint8

    def outside_bounds(self, images: np.ndarray) -> np.ndarray:
        """Return where images of floats `[..., channel, height, width]` are NaN or not within `pixel_bounds`."""
        low, high = np.array(self.pixel_bounds, np.float32).T[:, :, None, None]
        outside: np.ndarray = ~((images >= low) & (images <= high))
        return outside

    @property
    def is_continuous(self) -> bool:
        """Whether an action is a vector of numbers from -1 to 1 rather than a number from a list."""
        return self.action_dim > 0

    def __str__(self) -> str:
        """Say in words what differs between two environments."""
        seen = f"observations of shape {self.observation_shape}"
        if self.pixels != "bytes":
            seen += f" in {self.pixels}"
        if self.pixel_bounds:
            seen += f" {_say_bounds(self.pixel_bounds)}"
        if not self.is_continuous:
            return f"{seen} and {self.num_actions} actions"
        bounds = self.action_bounds or ((-1.0, 1.0),) * self.action_dim
        return f"{seen} and actions of {self.action_dim} numbers {_say_bounds(bounds)}"

    def blank_actions(self, *shape: int) -> np.ndarray:
        """Return zeros in the form of actions: int64 `[*shape]`, or float32 `[*shape, action_dim]`."""
        return np.zeros((*shape, self.action_dim), np.float32) if self.is_continuous else np.zeros(shape, np.int64)

    def to_bounds(self, actions: np.ndarray) -> np.ndarray:
        """Return actions `[..., action_dim]` from -1 to 1 in the environment's own units (float64)."""
        if not self.action_bounds:
            return actions.astype(np.float64)
        low, high = np.array(self.action_bounds).T
        scaled: np.ndarray = np.clip(low + (actions.astype(np.float64) + 1) / 2 * (high - low), low, high)
        return scaled


def _check_bounds(name: str, bounds: tuple[tuple[float, float], ...]) -> None:
    for low, high in bounds:
        if not (isfinite(low) and isfinite(high) and low < high):
            raise ConfigError(f"{name} holds ({low}, {high}); give finite numbers, the lower one first")


def _say_bounds(bounds: tuple[tuple[float, float], ...]) -> str:
    return f"each in {bounds[0]}" if len(set(bounds)) == 1 else f"in {', '.join(map(str, bounds))}"


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


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a generator's draws, which survives JSON."""
    return dict(rng.bit_generator.state)


def load_rng_state(rng: np.random.Generator, state: Mapping[str, Any], name: str) -> None:
    """Continue a generator's draws where `rng_state` was taken; `name` says whose they are.

    Raises:
        CheckpointError: if this is no such state.
    """
    try:
        rng.bit_generator.state = dict(state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"the saved random state of {name} cannot be read: {error!r}") from error
