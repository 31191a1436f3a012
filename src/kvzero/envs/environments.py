"""What a batch of environments hands out at each step, and the protocol by which it is played."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8

from kvzero.errors import ConfigError, EnvError
from kvzero.records import EnvSpec

__all__ = [
    "DEFAULT_FPS",
    "Environments",
    "Frame",
    "Observation",
    "Observations",
    "Start",
    "Steps",
    "check_actions",
    "check_alike",
    "check_seed",
    "read_fps",
]

DEFAULT_FPS = 30.0
"""Speed of a video of an environment that names none."""

Observation: TypeAlias = (
    UInt8[np.ndarray, "channel height width"]
    | Bool[np.ndarray, "channel height width"]
    | Float32[np.ndarray, "channel height width"]
    | Float32[np.ndarray, " feature"]
)
Observations: TypeAlias = (
    UInt8[np.ndarray, "env channel height width"]
    | Bool[np.ndarray, "env channel height width"]
    | Float32[np.ndarray, "env channel height width"]
    | Float32[np.ndarray, "env feature"]
)
Frame: TypeAlias = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True)
class Start:
    """The first observation of every environment after a reset."""

    observations: Observations
    """What to act on."""

    action_masks: Bool[np.ndarray, "env action"]
    """Which actions are legal now; all True where an environment names none, of width 0 for continuous actions."""


@dataclass(frozen=True, slots=True)
class Steps:
    """One step of every environment, ended episodes already begun anew.

    `terminated` and `truncated` exclude each other: an episode that ends by itself on the very step of its time limit
    has terminated.
    """

    observations: Observations
    """What to act on next: where an episode ended, the first observation of the next one."""

    action_masks: Bool[np.ndarray, "env action"]
    """Which actions are legal in `observations`; all True where an environment names none."""

    rewards: Float32[np.ndarray, " env"]
    """Rewards to learn from, clipped and scaled where so configured."""

    raw_rewards: Float64[np.ndarray, " env"]
    """Rewards as the environment gave them, never clipped or scaled."""

    terminated: Bool[np.ndarray, " env"]
    """Whether the episode ended by itself: its value afterwards is 0."""

    truncated: Bool[np.ndarray, " env"]
    """Whether the episode was cut off while it could have gone on: bootstrap from the final observation."""

    final_observations: Observations
    """What the step itself led to: where an episode ended its last observation, elsewhere `observations`.

    It may be the same array as `observations`.
    """

    game_over: Bool[np.ndarray, " env"]
    """Whether a whole game ended; a lost life may terminate an episode in the middle of a game."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Environments(Protocol):
    """Several copies of one environment, stepped together and begun anew by themselves when an episode ends."""

    spec: EnvSpec
    num_envs: int
    frames_per_second: float
    """How many frames, one for each step, make a second of the environment's own time."""

    def reset(self, seed: int | None = None) -> Start:
        """Begin a new episode everywhere; environment `i` is seeded with `seed + i`, or goes on with its own chance."""
        ...

    def step(self, actions: Shaped[np.ndarray, "env *dim"]) -> Steps:
        """Take one action in each environment, raising `EnvError` where an environment fails.

        Actions are int64 numbers `[env]`; continuous ones are float32 vectors `[env, action_dim]` from -1 to 1.
        """
        ...

    def render(self) -> Frame:
        """Return what environment 0 looks like now, as RGB bytes; needs `render=True` when made."""
        ...

    def close(self) -> None:
        """Give back windows, files and threads."""
        ...


def read_fps(metadata: object) -> float:
    """Return the `render_fps` of a Gymnasium environment's metadata; 30 where it says nothing that can be shown."""
    fps = metadata.get("render_fps") if isinstance(metadata, Mapping) else None
    if isinstance(fps, Real) and not isinstance(fps, bool) and 0 < float(fps) < inf:
        return float(fps)
    return DEFAULT_FPS


def check_alike(specs: Sequence[EnvSpec], indices: Sequence[int]) -> EnvSpec:
    """Return what all environments with these numbers show and accept; refuse, with an `EnvError`, if they differ."""
    for index, spec in zip(indices, specs, strict=True):
        if spec != specs[0]:
            raise EnvError(
                f"environment {index} has {spec}, but environment {indices[0]} has {specs[0]}; make them alike"
            )
    return specs[0]


def check_seed(seed: int | None) -> None:
    """Refuse a negative seed with a `ConfigError`."""
    if seed is not None and seed < 0:
        raise ConfigError(f"seed is {seed}; give 0 or more")


def check_actions(actions: Shaped[np.ndarray, "*any"], num_envs: int, spec: EnvSpec) -> None:
    """Refuse, with an `EnvError`, actions that are too few, too many, not finite or out of range."""
    wanted = spec.blank_actions(num_envs)
    if actions.shape != wanted.shape or actions.dtype.kind != wanted.dtype.kind:
        raise EnvError(
            f"actions are {actions.dtype} and have shape {actions.shape}; give one for each of the {num_envs} "
            f"environments, as {wanted.dtype} of shape {wanted.shape}"
        )
    low, high = (-1, 1) if spec.is_continuous else (0, spec.num_actions - 1)
    wrong = np.argwhere(~((actions >= low) & (actions <= high)))
    if wrong.size:
        index = int(wrong[0, 0])
        raise EnvError(f"environment {index} was given action {actions[index]}; its actions are {low} to {high}")
