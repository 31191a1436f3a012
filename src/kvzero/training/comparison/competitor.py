"""One run of a comparison: its worker, what its turns have measured so far, and what became of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kvzero.reports.comparison import Ended, MeasuredRun, Turn
from kvzero.training.comparison.link import Worker
from kvzero.training.comparison.messages import Advance, Advanced, Command, Done, Failed, Job, Reply, Save, Saved

__all__ = ["Competitor"]

Wanted = TypeVar("Wanted", Done, Advanced, Saved)


class Competitor:
    """A variant trained with one seed. Once it has failed it does nothing more, and says why."""

    def __init__(self, variant: str, job: Job) -> None:
        """Name the run; `start` begins it."""
        self.variant = variant
        self.job = job
        self.failure: str | None = None
        self.checkpoint: Path | None = None
        """Its last checkpoint; None before `save`."""
        self._worker: Worker | None = None
        self._turns: list[Turn] = []
        self._curve: list[dict[str, float | None]] = []
        self._games: list[Ended] = []

    @property
    def is_alive(self) -> bool:
        """Whether it has started and not failed."""
        return self._worker is not None and self.failure is None

    def start(self) -> None:
        """Start the worker, which builds the run; `await_start` before anything is asked of it."""
        self._worker = Worker(self.job)

    def await_start(self) -> None:
        """Wait until the run is built."""
        if self._worker is not None:
            self._read(self._worker.await_reply(), Done)

    def advance(self, lap: int, position: int, env_steps: int, should_stop: Callable[[], bool]) -> Turn | None:
        """Have a turn; None if it failed or was cut short, which leaves no trace in what was measured."""
        advanced = self._ask(Advance(lap=lap, position=position, env_steps=env_steps), Advanced, should_stop)
        if advanced is None or advanced.turn.env_steps < env_steps:
            return None
        self._turns.append(advanced.turn)
        self._curve += advanced.curve
        self._games += advanced.games
        return advanced.turn

    def save(self) -> None:
        """Write a checkpoint."""
        saved = self._ask(Save(), Saved)
        self.checkpoint = None if saved is None else saved.checkpoint

    def obey(self, command: Command) -> bool:
        """Carry out any other command; tell whether it was done."""
        return self._ask(command, Done) is not None

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()

    def measured(self, out: Path) -> MeasuredRun:
        """Return what was measured, with the run's folder relative to `out`."""
        return MeasuredRun(
            variant=self.variant,
            seed=self.job.config.seed,
            folder=str(self.job.folder.relative_to(out)),
            turns=tuple(self._turns),
            curve=tuple(self._curve),
            games=tuple(self._games),
            failure=self.failure,
        )

    def _ask(
        self, command: Command, kind: type[Wanted], should_stop: Callable[[], bool] | None = None
    ) -> Wanted | None:
        if self._worker is None or self.failure is not None:
            return None
        return self._read(self._worker.ask(command, should_stop), kind)

    def _read(self, reply: Reply, kind: type[Wanted]) -> Wanted | None:
        if isinstance(reply, Failed):
            self.failure = reply.reason
        return reply if isinstance(reply, kind) else None
