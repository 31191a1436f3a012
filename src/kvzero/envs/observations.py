"""Which observation spaces kvzero reads, and how an observation is turned into what the model reads."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatdim, flatten
from jaxtyping import Float32

from kvzero.envs.environments import Observation
from kvzero.errors import ConfigError, EnvError
from kvzero.records import EnvSpec

__all__ = ["ObservationFormat", "read_observation_space"]

Layout = Literal["grey", "channel_first", "channel_last"]

WIDEST_RANGE = 2.0**24
"""Between bounds further apart float32 does not hold every whole number, and a network would see next to nothing."""

MOST_FLATTENED = 16_384
"""Numbers of one flattened observation, 64 KiB of every row of the replay."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class ObservationFormat(Protocol):
    """How one environment's observations arrive, and how they are delivered."""

    spec: EnvSpec
    """What is delivered; its action is of no account."""

    def convert(self, observation: object) -> Observation:
        """Return an observation of its own, in the shape and type that `spec` says.

        Raises:
            EnvError: if it has another shape or type than its space, or a number that cannot be learnt from.
        """
        ...


class VectorObservations:
    """Vectors of any number type, delivered as float32."""

    def __init__(self, space: Box) -> None:
        self.spec = EnvSpec(observation_shape=space.shape, num_actions=1)

    def convert(self, observation: object) -> Observation:
        """Copy a vector into float32."""
        return _read_numbers(observation, self.spec.observation_shape, "an observation")


class ImageObservations:
    """Images of bytes, flags or bounded numbers, delivered channel first."""

    def __init__(self, space: Box, name: str) -> None:
        """Read the space of an environment called `name`.

        Raises:
            ConfigError: if a number of it has no finite bounds.
        """
        self._space = space
        self._layout = _read_layout(space.shape)
        shape = self._channel_first(space.low).shape
        kinds: dict[Any, Literal["bytes", "flags"]] = {np.dtype(np.uint8): "bytes", np.dtype(np.bool_): "flags"}
        if space.dtype in kinds:
            self.spec = EnvSpec(observation_shape=shape, pixels=kinds[space.dtype], num_actions=1)
            return
        low, high = (self._channel_first(bound).astype(np.float64) for bound in (space.low, space.high))
        bounds = tuple(zip(low.min((1, 2)).tolist(), high.max((1, 2)).tolist(), strict=True))
        for least, most in bounds:
            if not 0 < most - least <= WIDEST_RANGE:
                raise ConfigError(
                    f"{name} has images of {space.dtype} {space.shape} with a channel from {least:g} to {most:g}; give "
                    "their Box finite bounds, the lower one first and at most 2**24 apart, by which the network scales "
                    "them, wrap the environment to show uint8, or in gymnasium.wrappers.FlattenObservation to have "
                    "vectors"
                )
        self.spec = EnvSpec(observation_shape=shape, pixels="floats", pixel_bounds=bounds, num_actions=1)

    def convert(self, observation: object) -> Observation:
        """Copy an image into its channels, rows and columns."""
        image = _read_array(observation, self._space.shape, "an observation")
        if self.spec.pixels == "floats":
            return self._read_floats(_check_real(image, "an image"))
        if image.dtype != self._space.dtype:
            raise EnvError(
                f"returned an image of dtype {image.dtype}; return {self._space.dtype} as its observation_space says"
            )
        return np.array(self._channel_first(image), order="C")

    def _read_floats(self, image: np.ndarray) -> Observation:
        with np.errstate(over="ignore"):  # too large for float32 becomes inf, which is refused below
            floats = np.array(self._channel_first(image), np.float32, order="C")
        outside = np.argwhere(self.spec.outside_bounds(floats))
        if outside.size:
            channel, row, column = outside[0]
            low, high = self.spec.pixel_bounds[channel]
            raise EnvError(
                f"returned an image with {floats[channel, row, column]:g} in row {row}, column {column} of channel "
                f"{channel}; its observation_space says {low:g} to {high:g}, so return numbers within, or widen it"
            )
        return floats

    def _channel_first(self, image: np.ndarray) -> np.ndarray:
        if self._layout == "grey":
            return image[None]
        return np.moveaxis(image, -1, 0) if self._layout == "channel_last" else image


class FlattenedObservations:
    """Numbers, flags and vectors, and dicts and tuples of them, as one vector that Gymnasium's `flatten` makes.

    A number out of `n` becomes `n` zeros with a one at its place. The parts of a `Dict` or a `Tuple` follow each other
    in the order of the space; that of a `Dict` made of a plain dict is the order of its sorted keys.
    """

    def __init__(self, space: Space[Any], name: str) -> None:
        """Read the space of an environment called `name`.

        Raises:
            ConfigError: if a part of it cannot be flattened, or is an image, or there would be nothing or too much.
        """
        self._space = _as_floats(space, "observation", name)
        num_features = flatdim(self._space)
        if not 1 <= num_features <= MOST_FLATTENED:
            raise ConfigError(
                f"{name} has the observation space {space}, which flattens to {num_features:,} numbers; kvzero takes 1 "
                f"to {MOST_FLATTENED:,}, so wrap the environment to show what matters in a Box"
            )
        self.spec = EnvSpec(observation_shape=(num_features,), num_actions=1)

    def convert(self, observation: object) -> Observation:
        """Flatten an observation into float32."""
        _check_part(self._space, observation, "observation")
        flat: Observation = np.asarray(flatten(self._space, observation)).astype(np.float32)
        return flat


def read_observation_space(space: Space[Any], name: str) -> ObservationFormat:
    """Return how to read the observations of an environment called `name`, or raise `ConfigError` for other spaces.

    Of a three-dimensional image's first and last axis that one holds the channels which leaves a square, else the
    shorter one; the last, if they are equal.
    """
    if not isinstance(space, Box):
        return FlattenedObservations(space, name)
    if len(space.shape) == 1 and space.shape[0] > 0:
        return VectorObservations(space)
    if len(space.shape) in (2, 3) and min(space.shape) > 0:
        return ImageObservations(space, name)
    raise ConfigError(
        f"{name} has observations of shape {space.shape} and dtype {space.dtype}; kvzero reads vectors (feature,) and "
        "images (height, width), (height, width, channel) or (channel, height, width), none of them empty: wrap the "
        "environment in gymnasium.wrappers.FlattenObservation"
    )


def _read_layout(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return "grey"
    first, middle, last = shape
    if (first == middle) != (middle == last):
        return "channel_first" if middle == last else "channel_last"
    return "channel_first" if first < last else "channel_last"


def _as_floats(space: Space[Any], place: str, name: str) -> Space[Any]:
    """Return a space to flatten by, whose boxes are of float32, as another type would wrap numbers around."""
    if isinstance(space, Dict):
        return Dict([(key, _as_floats(part, f"{place}[{key!r}]", name)) for key, part in space.spaces.items()])
    if isinstance(space, Tuple):
        return Tuple([_as_floats(part, f"{place}[{index}]", name) for index, part in enumerate(space.spaces)])
    if isinstance(space, Discrete | MultiDiscrete | MultiBinary):
        return space
    if not isinstance(space, Box):
        raise ConfigError(
            f"{name} has the {place} space {space}, a {type(space).__name__}; kvzero reads Box, Discrete, "
            "MultiDiscrete and MultiBinary, and Dict and Tuple of them: wrap the environment to show its observations "
            "in one of these"
        )
    if len(space.shape) > 1:
        raise ConfigError(
            f"{name} shows an image, {place} of shape {space.shape}, inside a Dict or a Tuple; kvzero reads one image "
            "or one vector: wrap the environment to keep the image alone (gymnasium.wrappers.TransformObservation), or "
            "to have all of it as a vector (gymnasium.wrappers.FlattenObservation)"
        )
    return Box(-np.inf, np.inf, space.shape, np.float32)


def _check_part(space: Space[Any], observation: Any, place: str) -> None:
    """Refuse what is not in a space, or not finite, naming its place."""
    if isinstance(space, Dict):
        if not isinstance(observation, Mapping) or observation.keys() != space.spaces.keys():
            found = list(observation) if isinstance(observation, Mapping) else type(observation).__name__
            raise EnvError(f"returned {found} for {place}; return a dict with the keys {list(space.spaces)}")
        for key, part in space.spaces.items():
            _check_part(part, observation[key], f"{place}[{key!r}]")
    elif isinstance(space, Tuple):
        if not isinstance(observation, tuple | list) or len(observation) != len(space.spaces):
            raise EnvError(f"returned {observation!r} for {place}; return a tuple of {len(space.spaces)} parts")
        for index, part in enumerate(space.spaces):
            _check_part(part, observation[index], f"{place}[{index}]")
    elif isinstance(space, Box):
        _read_numbers(observation, space.shape, place)
    elif not space.contains(observation):
        raise EnvError(f"returned {observation!r} for {place}; return what is in its {space}")


def _read_array(observation: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    if observation is None:
        raise EnvError(f"returned None for {what}; return what the environment shows")
    array = np.asarray(observation)
    if array.shape != shape:
        raise EnvError(f"returned {what} of shape {array.shape}; its observation_space says {shape}")
    return array


def _check_real(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise EnvError(f"returned {what} of dtype {array.dtype}; return real numbers")
    return array


def _read_numbers(observation: object, shape: tuple[int, ...], what: str) -> Float32[np.ndarray, "*feature"]:
    array = _check_real(_read_array(observation, shape, what), what)
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, which is refused below
        features = array.astype(np.float32)
    if not np.isfinite(features).all():
        wrong = int(np.flatnonzero(~np.isfinite(features))[0])
        raise EnvError(f"returned {what} whose feature {wrong} is {array.flat[wrong]}; it must be finite in float32")
    return features
