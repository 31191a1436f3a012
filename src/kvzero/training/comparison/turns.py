"""A run trained in turns, by a process that holds it and computes only when asked, so that runs never compete."""

import math
import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch

from kvzero.reports import ENV_STEPS, FigureLog, library_versions, peak_rss_bytes, rss_bytes
from kvzero.reports.comparison import Ended, Turn
from kvzero.training.comparison.probe import Precision, plan_stream, record_stream
from kvzero.training.config import RunConfig
from kvzero.training.session import RoundResult, Trainer
from kvzero.training.storage import new_run, sole_writer

__all__ = ["Job", "MeasuredTurn", "RunInTurns", "begin_run"]

DIGITS = 9
"""Decimal digits that tell every float32 from its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that a process holds from its start to its end."""

    name: str
    """Name of the run, and of its folder."""
    config: RunConfig
    folder: Path
    log: Path
    """Where the process's standard error goes."""
    num_threads: int
    """CPU threads that PyTorch computes with."""
    checkpoint: Path | None = None
    """What it goes on from; None for a run that begins."""


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """What a turn measured."""

    is_whole: bool
    """Whether it made all steps that it was to make, and all updates that they owe; not where it was stopped."""
    turn: Turn
    curve: tuple[dict[str, float | None], ...]
    games: tuple[Ended, ...]


def begin_run(job: Job) -> "RunInTurns":
    """Build a run, in the process that is to hold it."""
    torch.set_num_threads(job.num_threads)  # which reads no more than the machine's cores from the environment
    return RunInTurns(job)


class RunInTurns:
    """A run in its folder, and what can be asked of it."""

    def __init__(self, job: Job) -> None:
        """Build the run and its folder, or go on with it.

        Raises:
            KvzeroError: if the run's config cannot work here, or its checkpoint is damaged.
        """
        self._config = job.config
        self._open = ExitStack()
        trainer = closing(Trainer(job.config, job.folder, resume_from=job.checkpoint))
        self._trainer = self._open.enter_context(trainer)
        if job.checkpoint is None:
            self._open.enter_context(new_run(job.folder, job.config, library_versions()))
        else:
            self._open.enter_context(sole_writer(job.folder))
            _forget_beyond(job.checkpoint)
        start = None if job.checkpoint is None else self._trainer.env_steps
        self._log = self._open.enter_context(FigureLog(job.folder, resume_from=start, names=job.config.sinks))

    def close(self) -> None:
        """Close the environments and the log."""
        self._open.close()

    def advance(self, should_stop: Callable[[], bool], *, lap: int, position: int, env_steps: int) -> MeasuredTurn:
        """Train until the run has made so many environment steps, or `should_stop` says to end early."""
        rounds: list[RoundResult] = []
        curve: list[dict[str, float | None]] = []
        games: list[Ended] = []
        while self._trainer.env_steps < env_steps and not should_stop():
            rounds.append(self._trainer.advance(should_stop))
            curve.append(self._measure())
            games += [
                Ended(env_steps=self._trainer.env_steps, raw_return=game.raw_return, num_steps=game.num_steps)
                for game in rounds[-1].episodes
            ]
        turn = Turn(
            lap=lap,
            position=position,
            env_steps=self._trainer.env_steps,
            num_env_steps=sum(each.num_env_steps for each in rounds),
            num_updates=sum(each.num_updates for each in rounds),
            collect_seconds=math.fsum(each.collect_seconds for each in rounds),
            update_seconds=math.fsum(each.update_seconds for each in rounds),
            rss_bytes=rss_bytes(),
            peak_rss_bytes=peak_rss_bytes(),
            peak_device_bytes=torch.cuda.max_memory_allocated(),  # 0 without a GPU
        )
        is_whole = self._trainer.env_steps >= env_steps and not self._trainer.owes_updates
        return MeasuredTurn(is_whole, turn, tuple(curve), tuple(games))

    def save(self) -> Path:
        """Write a checkpoint; return its folder."""
        return self._trainer.save()

    def record_stream(self, checkpoint: Path, path: Path) -> None:
        """Play with the agent of a checkpoint, and write what it saw to a file."""
        record_stream(self._config, checkpoint, path)

    def plan_stream(self, stream: Path, checkpoint: Path, path: Path, precision: Precision) -> None:
        """Plan for a recorded stream with the weights of a checkpoint, and write the plans to a file."""
        plan_stream(self._config, stream, checkpoint, path, precision)

    def _measure(self) -> dict[str, float | None]:
        """Log the figures of a training round, and return them as JSON can hold them."""
        figures = self._trainer.measure()
        self._log.write(self._trainer.env_steps, figures)
        short = {
            name: float(f"{figure:.{DIGITS}g}") if math.isfinite(figure) else None for name, figure in figures.items()
        }
        return {ENV_STEPS: float(self._trainer.env_steps), **short}


def _forget_beyond(checkpoint: Path) -> None:
    """Delete checkpoints that an interrupted lap wrote: what comes now is another history with the same counts."""
    for other in checkpoint.parent.glob("step_*"):
        if other.name > checkpoint.name:
            shutil.rmtree(other)
