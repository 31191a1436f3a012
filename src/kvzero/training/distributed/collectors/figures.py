"""What a line of metrics says of the collectors: who waited for whom, how stale steps were, who was lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kvzero.training.distributed.collectors.messages import Report

__all__ = ["CrewFigures"]


class CrewFigures:
    """Adds up what is reported, until it is read."""

    def __init__(self) -> None:
        self._clear()

    def note_report(self, report: Report, *, staleness: int) -> None:
        """Take in what was reported, by weights so many versions older than the learner's."""
        self._staleness.append(staleness)
        of_one = self._of[report.label.collector]
        of_one.env_steps += sum(len(step.batch.terminated) for step in report.steps)
        of_one.collect_seconds += report.collect_seconds
        of_one.idle_seconds += report.idle_seconds
        of_one.rss_bytes = report.rss_bytes
        self._cache.append(report.cache)

    def note_wait(self, seconds: float) -> None:
        """The learner has waited."""
        self._learner_waited += seconds

    def note_queue(self, num_ready: int) -> None:
        """So many reports lay ready when the learner came for them."""
        self._queue.append(num_ready)

    def read(self, num_restarts: Sequence[int]) -> dict[str, float]:
        """Return all, and begin anew; `num_restarts` are those of each collector so far."""
        figures = {
            "collectors/staleness_mean": float(np.mean(self._staleness or [0])),
            "collectors/staleness_max": float(max(self._staleness, default=0)),
            "collectors/learner_idle_seconds": self._learner_waited,
            "collectors/queue": float(np.mean(self._queue or [0])),
            "collectors/restarts": float(sum(num_restarts)),
        }
        for collector, of_one in sorted(self._of.items()):
            name = f"collector/{collector}"
            figures |= {
                f"{name}/env_steps_per_second": of_one.env_steps / of_one.collect_seconds,
                f"{name}/idle_seconds": of_one.idle_seconds,
                f"{name}/rss_bytes": float(of_one.rss_bytes),
                f"{name}/restarts": float(num_restarts[collector]),
            }
        figures |= _means(self._cache)
        self._clear()
        return figures

    def _clear(self) -> None:
        self._staleness: list[int] = []
        self._queue: list[int] = []
        self._learner_waited = 0.0
        self._of: defaultdict[int, _OfOne] = defaultdict(_OfOne)
        self._cache: list[Mapping[str, float]] = []


@dataclass(slots=True)
class _OfOne:
    """What one collector did."""

    env_steps: int = 0
    collect_seconds: float = 0.0
    idle_seconds: float = 0.0
    rss_bytes: int = 0


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure, over those that have it."""
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for figures in found:
        for name, figure in figures.items():
            by_name[name].append(figure)
    return {name: float(np.mean(values)) for name, values in by_name.items()}
