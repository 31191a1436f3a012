"""A line of metrics: what is measured of a training between two evaluations."""

import numpy as np

from kvzero.reports import TRAIN_RETURN, WALL_SECONDS, rss_bytes
from kvzero.training.collector import Episode
from kvzero.training.session.clock import RunClock
from kvzero.training.session.components import Components
from kvzero.training.session.loop import Loop, RoundResult

__all__ = ["Meter"]


class Meter:
    """Reads off how training goes, and keeps the games that ended until they are read."""

    def __init__(self, components: Components, loop: Loop, clock: RunClock) -> None:
        self._components = components
        self._loop = loop
        self._clock = clock
        self._episodes: list[Episode] = []

    def take_in(self, result: RoundResult) -> None:
        """Keep the games that ended in a round."""
        self._episodes += result.episodes

    def measure(self) -> dict[str, float]:
        """Return what a line of metrics holds: the newest losses, counters, memory; returns since the last call."""
        figures = {name: float(figure) for name, figure in self._loop.losses.items()}
        figures["updates"] = float(self._components.learner.num_updates)
        figures[WALL_SECONDS] = self._clock.seconds
        figures["is_bfloat16"] = float(self._components.learner.number_type == "bfloat16")
        figures["replay_steps"] = float(len(self._components.replay))
        figures["rss_bytes"] = float(rss_bytes())
        figures |= {f"cache/{name}": figure for name, figure in self._components.planner.store.figures().items()}
        return figures | self._read_episodes()

    def _read_episodes(self) -> dict[str, float]:
        episodes, self._episodes = self._episodes, []
        if not episodes:
            return {}
        return {
            TRAIN_RETURN: float(np.mean([episode.raw_return for episode in episodes])),
            "train_episode_steps": float(np.mean([episode.num_steps for episode in episodes])),
        }
