"""What the process that compares and those that it gives the machine in turn say to each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kvzero.reports.comparison import Ended, Turn
from kvzero.training.config import RunConfig

__all__ = [
    "Advance",
    "Advanced",
    "Command",
    "Done",
    "Failed",
    "Job",
    "Precision",
    "Record",
    "Replay",
    "Reply",
    "Save",
    "Saved",
    "Stop",
]

Precision = Literal["float32", "float64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that a worker holds from its start to its end."""

    name: str
    """Name of the run, and of its folder."""
    config: RunConfig
    folder: Path
    log: Path
    """Where the worker's standard error goes."""
    num_threads: int
    """CPU threads that PyTorch computes with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Train until the run has made so many environment steps."""

    lap: int
    position: int
    env_steps: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End what you are at as soon as a step is whole; has no reply of its own."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write a checkpoint."""


@dataclass(frozen=True, slots=True)
class Record:
    """Play with the agent of a checkpoint, and write what it saw to a file."""

    checkpoint: Path
    path: Path


@dataclass(frozen=True, slots=True)
class Replay:
    """Plan for a recorded stream with the weights of a checkpoint, and write the plans to a file."""

    recording: Path
    checkpoint: Path
    path: Path
    precision: Precision


Command = Advance | Stop | Save | Record | Replay


@dataclass(frozen=True, slots=True)
class Done:
    """The worker is ready for the next command."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a turn measured; it is not whole where it was stopped."""

    turn: Turn
    curve: tuple[dict[str, float | None], ...]
    games: tuple[Ended, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """The checkpoint that was written."""

    checkpoint: Path


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker has ended, and why."""

    reason: str


Reply = Done | Advanced | Saved | Failed
