"""One run of a comparison: the process that holds it, what its turns have measured so far, and what became of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from kvzero.errors import KvzeroError
from kvzero.processes import RemoteObject, ShouldStop
from kvzero.reports.comparison import Ended, MeasuredRun, Turn
from kvzero.training.comparison.probe import Precision
from kvzero.training.comparison.standing import RunStanding
from kvzero.training.comparison.turns import Job, RunInTurns, begin_run

__all__ = ["END_SECONDS", "ComparedRun"]

END_SECONDS = 30.0
"""How long a process may take to close its files."""

Result = TypeVar("Result")


class ComparedRun:
    """A variant trained with one seed. Once it has failed it does nothing more, and says why."""

    def __init__(self, variant: str, job: Job, standing: RunStanding | None = None) -> None:
        """Name the run, as it stood when it was left, if it was; `start` begins it or goes on with it."""
        self.variant = variant
        self.job = job
        self.failure: str | None = None
        self.checkpoint: Path | None = None
        """Its last checkpoint; None before `save`."""
        self._process: RemoteObject[RunInTurns] | None = None
        self._turns: list[Turn] = []
        self._curve: list[dict[str, float | None]] = []
        self._games: list[Ended] = []
        if standing is not None:
            self.failure = standing.failure
            self._turns += standing.turns
            self._curve += standing.curve
            self._games += standing.games

    @property
    def standing(self) -> RunStanding:
        """What it has measured, and what it can go on from: the checkpoint that `save` wrote."""
        return RunStanding(
            checkpoint=None if self.checkpoint is None else self.checkpoint.name,
            failure=self.failure,
            turns=tuple(self._turns),
            curve=tuple(self._curve),
            games=tuple(self._games),
        )

    @property
    def is_alive(self) -> bool:
        """Whether it has started and not failed."""
        return self._process is not None and self.failure is None

    def start(self) -> None:
        """Start the process, which builds the run; `await_start` before anything is asked of it.

        A run that has failed before is left alone.
        """
        if self.failure is not None:
            return
        self._process = RemoteObject(
            partial(begin_run, self.job),
            name="its process",
            num_threads=self.job.num_threads,
            log=self.job.log,
            end_seconds=END_SECONDS,
        )

    def await_start(self) -> None:
        """Wait until the run is built."""
        self._ask(lambda process: process.receive())

    def advance(self, lap: int, position: int, env_steps: int, should_stop: ShouldStop) -> Turn | None:
        """Have a turn; None if it failed or was cut short, which leaves no trace in what was measured."""
        measured = self._ask(
            lambda process: process.call_until(
                should_stop, RunInTurns.advance, lap=lap, position=position, env_steps=env_steps
            )
        )
        if measured is None or not measured.is_whole:
            return None
        self._turns.append(measured.turn)
        self._curve += measured.curve
        self._games += measured.games
        return measured.turn

    def save(self) -> None:
        """Write a checkpoint."""
        self.checkpoint = self._ask(lambda process: process.call(RunInTurns.save))

    def record_stream(self, checkpoint: Path, path: Path) -> bool:
        """Play with the agent of a checkpoint and write what it saw to a file; tell whether that was done."""
        self._ask(lambda process: process.call(RunInTurns.record_stream, checkpoint, path))
        return self.is_alive

    def plan_stream(self, stream: Path, checkpoint: Path, path: Path, precision: Precision) -> bool:
        """Plan for a recorded stream and write the plans to a file; tell whether that was done."""
        self._ask(lambda process: process.call(RunInTurns.plan_stream, stream, checkpoint, path, precision))
        return self.is_alive

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()

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

    def _ask(self, ask: Callable[[RemoteObject[RunInTurns]], Result]) -> Result | None:
        """Return the reply; None if the run fails, or has failed."""
        if self._process is None or self.failure is not None:
            return None
        try:
            return ask(self._process)
        except KvzeroError as error:
            self.failure = str(error)
            self._process.close()
            return None
