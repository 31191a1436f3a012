"""The crew: collectors elsewhere that are given orders, heard, and replaced where they die."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from kvzero.envs import check_alike
from kvzero.records import EnvSpec
from kvzero.training.config import Exploration, RunConfig
from kvzero.training.distributed.actors import Actors
from kvzero.training.distributed.collectors.figures import CrewFigures
from kvzero.training.distributed.collectors.intake import Intake
from kvzero.training.distributed.collectors.messages import Begin, Order, Report
from kvzero.training.distributed.weights import Weights, WeightsBoard
from kvzero.training.learning import Learner
from kvzero.training.source import Collected

__all__ = ["Crew", "ask_spec"]


class Crew:
    """Collectors by their numbers, each with one order in flight at most; what they report goes into the replay."""

    def __init__(
        self,
        put: Callable[[Weights], Any],
        actors: Actors,
        intakes: Sequence[Intake],
        *,
        config: RunConfig,
        learner: Learner,
        env_steps: int,
        rng_states: Sequence[dict[str, Any]],
    ) -> None:
        """Collect from `env_steps` on, with draws that go on where these states were taken; `put` gives weights out."""
        self._actors = actors
        self._intakes = intakes
        self._config = config
        self._learner = learner
        self._begun_at = env_steps
        self._rng_states = list(rng_states)
        self._board = WeightsBoard(put)
        self._figures = CrewFigures()
        self._explorations: dict[int, tuple[Exploration, ...]] = {}  # of orders in flight
        self._versions: dict[int, int] = {}  # of the weights that they are carried out with
        self._reports: dict[int, Report] = {}
        self._slowest_seconds = 0.0

    @property
    def numbers(self) -> range:
        """The numbers of all collectors."""
        return range(len(self._actors))

    @property
    def num_envs(self) -> int:
        """Environments of each collector."""
        return self._config.env.num_envs

    @property
    def version(self) -> int:
        """The newest version of the weights."""
        return self._board.version

    @property
    def env_steps_ordered(self) -> int:
        """Environment steps that were ordered and not yet taken in."""
        return self.num_envs * sum(len(explorations) for explorations in self._explorations.values())

    def look(self) -> None:
        """See whether the learner has other weights now, and who has something to report already."""
        self._board.look(self._learner.network, self._learner.num_updates)
        if self._explorations:
            waiting = self._explorations.keys() - self._reports.keys()
            self._figures.note_queue(len(self._reports) + self._actors.num_ready(waiting))

    def idle(self) -> list[int]:
        """Return the numbers of those who have no order."""
        return [number for number in self.numbers if number not in self._explorations]

    def busy(self) -> list[int]:
        """Return the numbers of those who have one."""
        return list(self._explorations)

    def late(self, version: int) -> list[int]:
        """Return the numbers of those who carry out an order with weights that are not newer than this version."""
        return [number for number, theirs in self._versions.items() if theirs <= version]

    def order(self, number: int, explorations: Sequence[Exploration]) -> None:
        """Have one that is idle make steps with the newest weights, with this much chance."""
        self._explorations[number] = tuple(explorations)
        self._send(number)

    def wait(self, numbers: Collection[int], *, for_all: bool, should_stop: Callable[[], bool]) -> list[int]:
        """Return who of these have reported: at least one, or all; fewer where `should_stop` says so.

        Raises:
            EnvError, SearchError: what a collector cannot go on from.
            ClusterError: if too many were lost, or one cannot be started again.
        """
        begun = time.monotonic()
        while not should_stop():
            missing = [number for number in numbers if number not in self._reports]
            if not missing or (not for_all and len(missing) < len(numbers)):
                break
            self._reports |= self._actors.hear(missing, self._order_anew)
        self._figures.note_wait(time.monotonic() - begun)
        return [number for number in numbers if number in self._reports]

    def fetch(self, number: int) -> Report:
        """Return what one has reported, which is idle now; its steps are to be stored before it reports again."""
        report = self._reports.pop(number)
        del self._explorations[number], self._versions[number]
        self._rng_states[number] = report.rng_state
        self._slowest_seconds = max(self._slowest_seconds, report.collect_seconds)
        self._figures.note_report(report, staleness=self.version - report.version)
        return report

    def store(self, report: Report) -> Iterator[Collected]:
        """Store the steps of a report, and yield each then.

        Raises:
            EnvError: if they cannot be learnt from.
        """
        return self._intakes[report.label.collector].take(report)

    def rng_states(self) -> list[dict[str, Any]]:
        """Return where the draws of each were after the steps that were fetched last."""
        return list(self._rng_states)

    def figures(self) -> dict[str, float]:
        """Return what happened since the last call."""
        return self._figures.read(self._actors.num_restarts)

    def close(self) -> None:
        """Let go of what is in the object store."""
        self._board.clear()
        self._reports.clear()

    def _send(self, number: int) -> None:
        label = self._intakes[number].next_label
        order = Order(
            label=label,
            explorations=self._explorations[number],
            discount=self._learner.discount,
            begin=self._begin(number) if label.sequence == 0 else None,
        )
        self._versions[number] = self.version
        weights = self._board.give(self._learner.network)
        self._actors.ask(number, "collect", order, weights, usual_seconds=self._slowest_seconds)

    def _begin(self, number: int) -> Begin:
        incarnation = self._actors.incarnation(number)
        salt = (number, incarnation) if incarnation else ()
        first_seed = self._config.seed_for("collect", self._begun_at, *salt)
        return Begin(seed=first_seed + number * self.num_envs, rng_state=self._rng_states[number])

    def _order_anew(self, number: int) -> None:
        """Have one that has taken another's place make the steps that were not reported."""
        self._intakes[number].change()
        self._send(number)


def ask_spec(actors: Actors) -> EnvSpec:
    """Return what the environments of all collectors show and accept.

    Raises:
        ConfigError, EnvError: if they cannot be made, or differ.
        ClusterError: if too many collectors were lost.
    """

    def ask(number: int) -> None:
        actors.ask(number, "describe")

    numbers = list(range(len(actors)))
    for number in numbers:
        ask(number)
    specs: dict[int, EnvSpec] = {}
    while missing := [number for number in numbers if number not in specs]:
        specs |= actors.hear(missing, ask)
    return check_alike([specs[number] for number in numbers], numbers)
