"""Ladders for collectors elsewhere: one that takes a while, one that breaks, one that says where it lives."""

import os
import random
import time
from pathlib import Path

from tests.training.environments import Failing, Ladder

SLOWEST_SECONDS = 0.02


class Dawdling(Ladder):
    """A ladder whose steps take as long as chance, which no seed decides, will have it."""

    def step(self, action):
        time.sleep(random.SystemRandom().uniform(0, SLOWEST_SECONDS))
        return super().step(action)


class Breaking(Failing):
    """A ladder that fails at its fifth step."""

    at = 5


class Located(Dawdling):
    """A ladder that leaves a file in `folder` with the number of its process for a name."""

    def __init__(self, folder, render_mode=None):
        super().__init__(render_mode)
        (Path(folder) / str(os.getpid())).touch()
