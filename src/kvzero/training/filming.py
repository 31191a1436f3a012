"""Frames of games as they are played: those of environment 0, where it is about to play."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Int, UInt8

from kvzero.envs import EnvConfig, Environments, make_environments
from kvzero.errors import KvzeroError
from kvzero.reports import Dispensable
from kvzero.training.evaluator import StepHook

__all__ = ["FrameHook", "make_filmed"]

FrameHook = Callable[[UInt8[np.ndarray, "height width 3"], float], None]
"""Is given a frame, and how many such frames make a second."""


def make_filmed(
    config: EnvConfig, *, num_envs: int, on_frame: FrameHook | None
) -> tuple[Environments, StepHook | None]:
    """Make environments for an evaluation, and what gives a frame to `on_frame` before every step of environment 0.

    Where they cannot be made to draw, a frame cannot be drawn, or `on_frame` raises, that is told of once, and the
    games go on unseen.

    Raises:
        ConfigError, EnvError: as `make_environments` does, also where nothing is to be drawn.
    """
    make = partial(make_environments, config, num_envs=num_envs, training=False)
    if on_frame is None:
        return make(), None
    frames = Dispensable("what is shown of the games")
    try:
        envs = make(render=True)
    except KvzeroError as error:
        envs = make()  # which raises what has nothing to do with drawing
        frames.lose(error)
        return envs, None
    return envs, _film(envs, on_frame, frames)


def _film(envs: Environments, on_frame: FrameHook, frames: Dispensable) -> StepHook:
    def show(playing: Int[np.ndarray, " env"]) -> None:
        if 0 in playing:
            frames.attempt(lambda: on_frame(envs.render(), envs.frames_per_second))

    return show
