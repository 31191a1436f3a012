"""The worker: a process that holds one run and works at it when told to, so that runs never share the machine."""

import math
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection

import torch

from kvzero.errors import KvzeroError
from kvzero.reports import ENV_STEPS, FigureLog, library_versions, peak_rss_bytes, rss_bytes
from kvzero.reports.comparison import Ended, Turn
from kvzero.training.comparison.messages import (
    Advance,
    Advanced,
    Command,
    Done,
    Failed,
    Job,
    Record,
    Replay,
    Reply,
    Save,
    Saved,
    Stop,
)
from kvzero.training.comparison.probe import record, replay
from kvzero.training.session import RoundResult, Trainer
from kvzero.training.storage import new_run

__all__ = ["Session", "work"]

DIGITS = 9
"""Decimal digits that tell every float32 from its neighbours."""


def work(connection: Connection, job: Job) -> None:
    """Serve one run until the other end is closed; the whole life of a worker process.

    An error that kvzero raises is told as a reply. Any other ends the process and stands in the job's log.
    """
    with job.log.open("w") as log:
        os.dup2(log.fileno(), 2)  # whatever writes to standard error, libraries too
    torch.set_num_threads(job.num_threads)
    try:
        with closing(Session(job)) as session:
            connection.send(Done())
            _serve(connection, session)
    except KvzeroError as error:
        connection.send(Failed(str(error)))


def _serve(connection: Connection, session: "Session") -> None:
    while True:
        try:
            command: Command = connection.recv()
        except EOFError:  # the other end is closed, or its process gone
            return
        if not isinstance(command, Stop):
            connection.send(session.obey(command, should_stop=connection.poll))


class Session:
    """A run in its folder, and what can be asked of it."""

    def __init__(self, job: Job) -> None:
        """Build the run and its folder.

        Raises:
            KvzeroError: if the run's config cannot work here.
        """
        self._config = job.config
        self._open = ExitStack()
        self._trainer = self._open.enter_context(closing(Trainer(job.config, job.folder)))
        self._open.enter_context(new_run(job.folder, job.config, library_versions()))
        self._log = self._open.enter_context(FigureLog(job.folder, names=job.config.sinks))

    def close(self) -> None:
        """Close the environments and the log."""
        self._open.close()

    def obey(self, command: Command, *, should_stop: Callable[[], bool]) -> Reply:
        """Carry out a command and return its reply; `should_stop` tells a turn to end early."""
        match command:
            case Advance():
                return self._advance(command, should_stop)
            case Save():
                return Saved(self._trainer.save())
            case Record():
                record(self._config, command.checkpoint, command.path)
            case Replay():
                replay(self._config, command.recording, command.checkpoint, command.path, command.precision)
        return Done()

    def _advance(self, command: Advance, should_stop: Callable[[], bool]) -> Advanced:
        rounds: list[RoundResult] = []
        curve: list[dict[str, float | None]] = []
        games: list[Ended] = []
        while self._trainer.env_steps < command.env_steps and not should_stop():
            rounds.append(self._trainer.advance(should_stop))
            curve.append(self._measure())
            games += [
                Ended(env_steps=self._trainer.env_steps, raw_return=game.raw_return, num_steps=game.num_steps)
                for game in rounds[-1].episodes
            ]
        turn = Turn(
            lap=command.lap,
            position=command.position,
            env_steps=self._trainer.env_steps,
            num_env_steps=sum(each.num_env_steps for each in rounds),
            num_updates=sum(each.num_updates for each in rounds),
            collect_seconds=math.fsum(each.collect_seconds for each in rounds),
            update_seconds=math.fsum(each.update_seconds for each in rounds),
            rss_bytes=rss_bytes(),
            peak_rss_bytes=peak_rss_bytes(),
        )
        return Advanced(turn, tuple(curve), tuple(games))

    def _measure(self) -> dict[str, float | None]:
        """Log the figures of a training round, and return them as JSON can hold them."""
        figures = self._trainer.measure()
        self._log.write(self._trainer.env_steps, figures)
        short = {
            name: float(f"{figure:.{DIGITS}g}") if math.isfinite(figure) else None for name, figure in figures.items()
        }
        return {ENV_STEPS: float(self._trainer.env_steps), **short}
