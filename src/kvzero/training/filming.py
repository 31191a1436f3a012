"""Frames of games as they are played: those of environment 0, where it is about to play."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int, UInt8

from kvzero.envs import Environments
from kvzero.reports import Dispensable
from kvzero.training.evaluator import StepHook

__all__ = ["FrameHook", "film"]

FrameHook = Callable[[UInt8[np.ndarray, "height width 3"], float], None]
"""Is given a frame, and how many such frames make a second."""


def film(envs: Environments, on_frame: FrameHook) -> StepHook:
    """Return what gives a frame to `on_frame` before every step of environment 0.

    Where it raises, or no frame can be drawn, that is told of once, and the games go on unseen.
    """
    frames = Dispensable("what is shown of the games")

    def show(playing: Int[np.ndarray, " env"]) -> None:
        if 0 in playing:
            frames.attempt(lambda: on_frame(envs.render(), envs.frames_per_second))

    return show
