"""What a line of metrics says of the collectors: who waited for whom, how stale steps were, who was lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from kvzero.training.distributed.collectors.messages import Report
from kvzero.training.distributed.work import WorkFigures

__all__ = ["CrewFigures"]


class CrewFigures:
    """Adds up what is reported, until it is read."""

    def __init__(self) -> None:
        self._work = WorkFigures("collector", "env_steps")
        self._clear()

    def note_report(self, report: Report, *, staleness: int) -> None:
        """Take in what was reported, by weights so many versions older than the learner's."""
        self._staleness.append(staleness)
        self._work.note_work(
            report.label.collector,
            sum(len(step.batch.terminated) for step in report.steps),
            busy_seconds=report.collect_seconds,
            idle_seconds=report.idle_seconds,
            rss_bytes=report.rss_bytes,
        )
        self._cache.append(report.cache)

    def note_wait(self, seconds: float) -> None:
        """The learner has waited."""
        self._work.note_wait(seconds)

    def note_queue(self, num_ready: int) -> None:
        """So many reports lay ready when the learner came for them."""
        self._queue.append(num_ready)

    def read(self, num_restarts: Sequence[int]) -> dict[str, float]:
        """Return all, and begin anew; `num_restarts` are those of each collector so far."""
        figures = {
            "collectors/staleness_mean": float(np.mean(self._staleness or [0])),
            "collectors/staleness_max": float(max(self._staleness, default=0)),
            "collectors/queue": float(np.mean(self._queue or [0])),
        }
        figures |= self._work.read(num_restarts)
        figures |= _means(self._cache)
        self._clear()
        return figures

    def _clear(self) -> None:
        self._staleness: list[int] = []
        self._queue: list[int] = []
        self._cache: list[Mapping[str, float]] = []


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure, over those that have it."""
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for figures in found:
        for name, figure in figures.items():
            by_name[name].append(figure)
    return {name: float(np.mean(values)) for name, values in by_name.items()}
