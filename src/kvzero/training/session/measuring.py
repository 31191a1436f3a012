"""A line of metrics: what is measured of a training between two evaluations."""

import numpy as np

from kvzero.cache import Tier
from kvzero.reports import (
    SPEEDUP_BOUND,
    SPEEDUP_COLLECTORS,
    TRAIN_RETURN,
    WALL_SECONDS,
    WorkShares,
    bound_speedup,
    describe_speedup,
    rss_bytes,
)
from kvzero.training.collector import Episode
from kvzero.training.learning import Learner
from kvzero.training.session.clock import RunClock
from kvzero.training.session.components import Components
from kvzero.training.session.loop import Loop, RoundResult
from kvzero.training.session.shares import TimeShares

__all__ = ["Meter"]


class Meter:
    """Reads off how training goes, and keeps the games that ended until they are read."""

    def __init__(self, components: Components, loop: Loop, clock: RunClock, *, num_collectors: int) -> None:
        """Measure a run that so many collect for elsewhere."""
        self._components = components
        self._loop = loop
        self._clock = clock
        self._num_collectors = num_collectors
        self._episodes: list[Episode] = []
        self._shares = TimeShares()
        self._has_noted = False
        self._collect_seconds = 0.0
        self._update_seconds = 0.0
        self._num_updates = 0

    def take_in(self, result: RoundResult) -> None:
        """Keep how fast a round was, and the games that ended in it."""
        self._episodes += result.episodes
        self._shares.take_in(result)
        self._collect_seconds += result.collect_seconds
        self._update_seconds += result.update_seconds
        self._num_updates += result.num_updates

    @property
    def work(self) -> WorkShares | None:
        """What the rounds of this session were the work of; None before there were enough of them."""
        return self._shares.work

    def take_note(self) -> str | None:
        """Return what more processes could gain, if that is known now and has not been said yet."""
        if self.work is None or self._has_noted:
            return None
        self._has_noted = True
        return describe_speedup(self.work, num_collectors=self._num_collectors)

    def measure(self) -> dict[str, float]:
        """Return what a line of metrics holds: newest losses, counters, memory; returns and pace since the last one."""
        learner = self._components.learner
        figures = {name: float(figure) for name, figure in self._loop.losses.items()}
        figures |= _schedule_figures(learner)
        figures |= {f"dormant_share/{part}": share for part, share in learner.dormant_shares().items()}
        figures["dose"] = self._loop.dose
        figures |= self._read_pace()
        figures[WALL_SECONDS] = self._clock.seconds
        figures["is_bfloat16"] = float(self._components.learner.number_type == "bfloat16")
        figures["replay_steps"] = float(len(self._components.replay))
        figures["rss_bytes"] = float(rss_bytes())
        figures |= self._components.source.figures()
        if self._components.cluster is not None:
            figures |= self._components.cluster.figures()
        if self._components.tier is not None:
            figures |= _tier_figures(self._components.tier)
        if self._components.reanalyser is not None:
            figures |= self._components.reanalyser.figures()
        return figures | self._read_episodes()

    def _read_pace(self) -> dict[str, float]:
        times = {"collect_seconds": self._collect_seconds, "update_seconds": self._update_seconds}
        self._collect_seconds = self._update_seconds = 0.0
        num_updates, self._num_updates = self._num_updates, 0
        seconds = sum(times.values())
        pace = {"updates_per_second": num_updates / seconds} if seconds else {}
        if self.work is not None:
            pace[SPEEDUP_BOUND] = bound_speedup(self.work, num_collectors=self._num_collectors or SPEEDUP_COLLECTORS)
        return times | pace

    def _read_episodes(self) -> dict[str, float]:
        episodes, self._episodes = self._episodes, []
        if not episodes:
            return {}
        return {
            TRAIN_RETURN: float(np.mean([episode.raw_return for episode in episodes])),
            "train_episode_steps": float(np.mean([episode.num_steps for episode in episodes])),
        }


def _tier_figures(tier: Tier) -> dict[str, float]:
    """Return what each tier did, beside what is said of pools."""
    return {
        f"cache/{name}/{figure}": value
        for name, stats in tier.stats().items()
        for figure, value in stats.figures().items()
    }


def _schedule_figures(learner: Learner) -> dict[str, float]:
    """Return how many updates were made, and what the next one will be made with."""
    return {
        "updates": float(learner.num_updates),
        "lr": learner.learning_rate,
        "bootstrap_steps": float(learner.bootstrap_steps),
        "discount": learner.discount,
    }
