"""A run of many collectors as a sequence of events: how fast it would be, by times that one collector was measured at.

What happens: in each round the learner takes one batch from every collector, makes the updates that these owe, and
gives out weights of a new version. It asks a collector for the next batch, that of round `r`, when it takes the one
before, or once there are weights of a version of at least `r - lag`. With `lag` up to 1 batches are taken in the order
of the collectors, with more as they come.

Assumed are a core for every process, one way to the learner that batches pass one after another, and collecting times
that are drawn, each for itself, from those measured.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Costs", "Forecast", "bound", "simulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured times, in seconds."""

    batch_steps: int
    """Environment steps of a batch."""
    collect: tuple[float, ...]
    """Collecting one batch, each as it was measured."""
    update: float
    """The updates that one batch owes."""
    transfer: float
    """One batch from a collector into the replay, of which the learner does nothing else."""
    reach: float
    """From the learner's asking to the collector's beginning, and back, without what `transfer` counts."""
    publish: float
    """New weights into the object store, of which the learner does nothing else."""
    fetch: float
    """Weights from the object store into a collector's network."""

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
    rng = np.random.default_rng(seed)
    draws = rng.choice(costs.collect, size=(num_rounds + lag + 1, num_collectors))
    run = _Run(costs, draws, lag=lag, in_order=lag <= 1)
    warm_up = num_rounds // 10
    for number in range(num_rounds):
        if number == warm_up:
            started, idle, busy = run.now, run.idle, run.busy
        run.make_round()
    seconds = run.now - started
    return Forecast(
        env_steps_per_second=(num_rounds - warm_up) * num_collectors * costs.batch_steps / seconds,
        learner_waits=(run.idle - idle) / seconds,
        collectors_wait=max(0.0, 1 - (run.busy - busy) / (seconds * num_collectors)),
    )


class _Run:
    """The learner's clock, the weights it gave out, and the batches that are under way."""

    def __init__(self, costs: Costs, draws: np.ndarray, *, lag: int, in_order: bool) -> None:
        self._costs, self._draws, self._lag, self._in_order = costs, draws, lag, in_order
        self._num_collectors = draws.shape[1]
        self._versions = 1  # that were given out
        self._begun = [0] * self._num_collectors  # batches, of each collector
        self._under_way: list[tuple[float, int]] = []  # when whose batch is ready
        self._waiting = list(range(self._num_collectors))  # collectors that the learner has asked for nothing
        self.now = self.idle = self.busy = 0.0
        self._ask()

    def make_round(self) -> None:
        """Take one batch from every collector, make the updates, give out weights."""
        for place in range(self._num_collectors):
            batch = self._next(place)
            ready, collector = batch
            self._under_way.remove(batch)
            self.idle += max(0.0, ready - self.now)
            self.now = max(self.now, ready) + self._costs.transfer
            self._waiting.append(collector)
            self._ask()
        self.now += self._costs.update * self._num_collectors + self._costs.publish
        self._versions += 1
        self._ask()

    def _next(self, place: int) -> tuple[float, int]:
        """Return the batch that is taken next: of the collector whose turn it is, or the first that is ready."""
        if self._in_order:
            return next(batch for batch in self._under_way if batch[1] == place)
        return min(self._under_way)

    def _ask(self) -> None:
        """Ask for another batch every collector that may collect with the weights that there are."""
        for collector in self._waiting.copy():
            number = self._begun[collector]
            if number - self._lag < self._versions:
                spent = self._costs.fetch + float(self._draws[number, collector])
                self._under_way.append((self.now + self._costs.reach + spent, collector))
                self._begun[collector] += 1
                self._waiting.remove(collector)
                self.busy += spent
