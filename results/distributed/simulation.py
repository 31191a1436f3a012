"""A run of many collectors as a sequence of events: how fast it would be, by what one was measured at.

What happens is what `training/distributed/collectors/paces.py` does, with rounds of one batch from every collector.
With `lag` up to 1 the learner waits until all batches of a round are ready, takes them in the order of the collectors,
asks for the next ones (with 1, else after the updates), and makes the updates that they owe. With more it takes batches
as they come and asks for the next at once; before it updates it waits for those that would be older than `lag` then.

Assumed are a core for every process, one way to the learner that batches pass one after another, and collecting times
that are drawn, each for itself, from those measured.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Costs", "Forecast", "bound", "simulate"]

NUM_DRAWS = 100_000
"""Collecting times that are drawn, and drawn again from the first one on where a run has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured times, in seconds."""

    batch_steps: int
    """Environment steps of a batch."""
    collect: tuple[float, ...]
    """Collecting one batch, with weights into the collector's network first, each as it was measured."""
    update: float
    """The updates that one batch owes."""
    transfer: float
    """One batch from a collector into the replay, of which the learner does nothing else."""
    reach: float
    """From the learner's asking to the collector's beginning, which fetches weights, and back, without `transfer`."""
    publish: float
    """New weights into the object store, of which the learner does nothing else."""

    @property
    def collect_mean(self) -> float:
        """Mean time of collecting a batch."""
        return float(np.mean(self.collect))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How a run would go."""

    env_steps_per_second: float
    learner_waits: float
    """Share of the time in which the learner has nothing to do."""
    collectors_wait: float
    """Share of the time in which a collector waits for weights, on average."""


def bound(costs: Costs, num_collectors: int) -> float:
    """Return what so many collectors can gain at most: `(c + u) / max(c / N, u)`."""
    collect, update = costs.collect_mean, costs.update
    return (collect + update) / max(collect / num_collectors, update)


def simulate(costs: Costs, *, num_collectors: int, lag: int, num_rounds: int = 300, seed: int = 0) -> Forecast:
    """Let events happen for so many rounds, and tell of all but the first tenth of them."""
    drawn = np.random.default_rng(seed).choice(costs.collect, size=NUM_DRAWS)
    run = _Run(costs, itertools.cycle(drawn.tolist()), num_collectors=num_collectors, lag=lag)
    warm_up = num_rounds // 10
    for number in range(num_rounds):
        if number == warm_up:
            started, idle, busy, taken = run.now, run.idle, run.busy, run.num_taken
        run.make_round()
    seconds = run.now - started
    return Forecast(
        env_steps_per_second=(run.num_taken - taken) * costs.batch_steps / seconds,
        learner_waits=(run.idle - idle) / seconds,
        collectors_wait=max(0.0, 1 - (run.busy - busy) / (seconds * num_collectors)),
    )


class _Run:
    """The learner's clock, the weights that it has, and the batches that are under way."""

    def __init__(self, costs: Costs, draws: Iterator[float], *, num_collectors: int, lag: int) -> None:
        self._costs, self._draws, self._lag = costs, draws, lag
        self._num_collectors = num_collectors
        self._version = 1  # of the learner's weights
        self._published = 0
        self._under_way: dict[int, tuple[float, int]] = {}  # when whose batch is ready, by weights of which version
        self.now = self.idle = self.busy = 0.0
        self.num_taken = 0

    def make_round(self) -> None:
        """Take as many batches as there are collectors, make the updates that these owe, have weights of a version."""
        before = self.num_taken
        if self._lag <= 1:
            self._take_in_step()
        else:
            self._take_as_they_come()
        self.now += self._costs.update * (self.num_taken - before)
        self._version += 1

    def _take_in_step(self) -> None:
        """Take one batch from every collector once all are ready; with a lag have the next ones made meanwhile."""
        self._ask_idle()
        self._wait_until(max(ready for ready, _ in self._under_way.values()))
        for collector in range(self._num_collectors):
            self._take(collector)
        if self._lag:
            self._ask_idle()

    def _take_as_they_come(self) -> None:
        """Take whatever is ready first, then whatever would be too old after the updates."""
        enough = self.num_taken + self._num_collectors
        while True:
            self._ask_idle()
            is_over, oldest = self.num_taken >= enough, self._version - self._lag
            awaited = {
                who: ready for who, (ready, version) in self._under_way.items() if version <= oldest or not is_over
            }
            if not awaited:
                return
            first = min(awaited, key=lambda who: awaited[who])
            self._wait_until(awaited[first])
            self._take(first)

    def _wait_until(self, moment: float) -> None:
        self.idle += max(0.0, moment - self.now)
        self.now = max(self.now, moment)

    def _take(self, collector: int) -> None:
        del self._under_way[collector]
        self.now += self._costs.transfer
        self.num_taken += 1

    def _ask_idle(self) -> None:
        """Ask every collector that has nothing to do for a batch by the newest weights."""
        for collector in range(self._num_collectors):
            if collector not in self._under_way:
                if self._published < self._version:
                    self.now += self._costs.publish
                    self._published = self._version
                spent = next(self._draws)
                self._under_way[collector] = self.now + self._costs.reach + spent, self._version
                self.busy += spent
