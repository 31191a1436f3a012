"""The crew: collectors elsewhere that are given orders, heard, and replaced where they die."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from kvzero.envs import check_alike
from kvzero.errors import KvzeroError
from kvzero.records import EnvSpec
from kvzero.training.config import RunConfig
from kvzero.training.distributed.actors import Actors, Lost
from kvzero.training.distributed.cluster import ObjectStores
from kvzero.training.distributed.collectors.figures import CrewFigures
from kvzero.training.distributed.collectors.intake import Intake
from kvzero.training.distributed.collectors.messages import Begin, Order, Refusal, Report
from kvzero.training.distributed.weights import WeightsBoard
from kvzero.training.learning import Learner
from kvzero.training.source import Collected

__all__ = ["Crew", "ask_spec"]

LOOK_SECONDS = 0.2
"""How long a wait for reports lasts before it is looked whether to stop."""


class Crew:
    """Collectors by their numbers, each with one order in flight at most; what they report goes into the replay."""

    def __init__(
        self,
        ray: Any,
        actors: Actors,
        intakes: Sequence[Intake],
        *,
        config: RunConfig,
        learner: Learner,
        env_steps: int,
        rng_states: Sequence[dict[str, Any]],
    ) -> None:
        """Collect from `env_steps` on, with draws that go on where these states were taken."""
        self._actors = actors
        self._intakes = intakes
        self._config = config
        self._learner = learner
        self._begun_at = env_steps
        self._rng_states = list(rng_states)
        self._board = WeightsBoard(ray.put)
        self._figures = CrewFigures()
        self._object_stores = ObjectStores(ray)
        self._temperatures: dict[int, tuple[float, ...]] = {}  # of orders in flight
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
        return self.num_envs * sum(len(temperatures) for temperatures in self._temperatures.values())

    def look(self) -> None:
        """See whether the learner has other weights now, and who has something to report already."""
        self._board.look(self._learner.network, self._learner.num_updates)
        if self._temperatures:
            waiting = self._temperatures.keys() - self._reports.keys()
            self._figures.note_queue(len(self._reports) + self._actors.num_ready(waiting))

    def idle(self) -> list[int]:
        """Return the numbers of those who have no order."""
        return [number for number in self.numbers if number not in self._temperatures]

    def busy(self) -> list[int]:
        """Return the numbers of those who have one."""
        return list(self._temperatures)

    def late(self, version: int) -> list[int]:
        """Return the numbers of those who carry out an order with weights that are not newer than this version."""
        return [number for number, theirs in self._versions.items() if theirs <= version]

    def order(self, number: int, temperatures: Sequence[float]) -> None:
        """Have one that is idle make steps with the newest weights, at these temperatures."""
        self._temperatures[number] = tuple(temperatures)
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
            for number, reply in self._actors.receive(missing, LOOK_SECONDS).items():
                self._hear(number, reply)
        self._figures.note_wait(time.monotonic() - begun)
        return [number for number in numbers if number in self._reports]

    def fetch(self, number: int) -> Report:
        """Return what one has reported, which is idle now; its steps are to be stored before it reports again."""
        report = self._reports.pop(number)
        del self._temperatures[number], self._versions[number]
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
        """Return what happened since the last call, and the memory of the object stores."""
        store = {f"collectors/{name}": figure for name, figure in self._object_stores.figures().items()}
        return self._figures.read(self._actors.num_restarts) | store

    def close(self) -> None:
        """Let go of what is in the object store."""
        self._board.clear()
        self._reports.clear()

    def _send(self, number: int) -> None:
        label = self._intakes[number].next_label
        order = Order(
            label=label,
            temperatures=self._temperatures[number],
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

    def _hear(self, number: int, reply: Report | Refusal | Lost) -> None:
        if isinstance(reply, Lost):
            self._actors.replace(number, reply.cause)
            self._intakes[number].change()
            self._send(number)
        elif isinstance(reply, Refusal):
            raise _refused(self._actors.name(number), reply)
        else:
            self._reports[number] = reply


def ask_spec(actors: Actors) -> EnvSpec:
    """Return what the environments of all collectors show and accept.

    Raises:
        ConfigError, EnvError: if they cannot be made, or differ.
        ClusterError: if too many collectors were lost.
    """
    numbers = list(range(len(actors)))
    for number in numbers:
        actors.ask(number, "describe")
    specs: dict[int, EnvSpec] = {}
    while len(specs) < len(numbers):
        for number, reply in actors.receive([each for each in numbers if each not in specs], LOOK_SECONDS).items():
            if isinstance(reply, Lost):
                actors.replace(number, reply.cause)
                actors.ask(number, "describe")
            elif isinstance(reply, Refusal):
                raise _refused(actors.name(number), reply)
            else:
                specs[number] = reply
    return check_alike([specs[number] for number in numbers], numbers)


def _refused(name: str, refusal: Refusal) -> KvzeroError:
    return type(refusal.error)(f"{name} on {refusal.host}: {refusal.error}")
