"""The way into the replay of what one collector reports: each step once, in order, and nothing that came is lost."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Shaped

from kvzero.errors import ClusterError, EnvError
from kvzero.replay import Replay, StepBatch
from kvzero.training.distributed.collectors.messages import Label, Report
from kvzero.training.returns import ReturnWatch
from kvzero.training.source import Collected

__all__ = ["Intake", "ReplayPart"]


class ReplayPart:
    """A sink for the steps of some of a replay's environments."""

    def __init__(self, replay: Replay, envs: Int[np.ndarray, " env"]) -> None:
        self._replay = replay
        self._envs = envs

    def add(self, batch: StepBatch) -> None:
        """Store one step of these environments."""
        self._replay.add(batch, envs=self._envs)

    def end(self, final_observations: Shaped[np.ndarray, "env ..."]) -> None:
        """End the episodes that are running here."""
        self._replay.end_episodes(self._envs, final_observations)


class Intake:
    """Stores the steps of one collector, and of those that take its place."""

    def __init__(self, part: ReplayPart, watch: ReturnWatch, *, collector: int) -> None:
        """Store through `watch`, which passes on to `part`."""
        self._part = part
        self._watch = watch
        self._next = Label(collector, 0, 0)
        self._led_to: Shaped[np.ndarray, "env ..."] | None = None

    @property
    def next_label(self) -> Label:
        """The label of the steps that come next."""
        return self._next

    def take(self, report: Report) -> Iterator[Collected]:
        """Store each step and yield it then.

        Raises:
            ClusterError: if these are not the steps that come next: some would be lost, or stored twice.
            EnvError: if they cannot be learnt from.
        """
        if report.label != self._next:
            raise ClusterError(f"steps {report.label} came where {self._next} are the next ones")
        self._next = Label(self._next.collector, self._next.incarnation, self._next.sequence + 1)
        for step in report.steps:
            try:
                self._watch.add(step.batch)
            except EnvError as error:
                raise EnvError(f"collector {report.label.collector} on {report.host}: {error}") from error
            self._led_to = step.batch.final_observations
            yield Collected(
                observations=step.batch.fields["observations"].copy(),
                episodes=step.episodes,
                seconds=report.collect_seconds / len(report.steps),
            )

    def change(self) -> None:
        """End the running episodes, cut off where their newest step led: another collector takes this one's place."""
        self._next = Label(self._next.collector, self._next.incarnation + 1, 0)
        self._watch.forget()
        if self._led_to is not None:
            self._part.end(self._led_to)
