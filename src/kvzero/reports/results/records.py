"""Finished runs as a report takes them: what was trained, what it reached, what it cost."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Results", "RunResult", "Skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One finished run."""

    folder: str
    """The name of its folder."""

    task: str
    """Environment that was played."""

    preset: str
    """Preset that it started from."""

    seed: int
    """Its seed."""

    settings: dict[str, Any]
    """Every setting by name, its seed among them."""

    command: str
    """Command that repeats it; empty where this version has no such preset."""

    curve: tuple[tuple[int, float], ...]
    """Environment steps and mean return of each evaluation, the final one last."""

    final_returns: tuple[float, ...]
    """Raw return of each game of the final evaluation."""

    env_steps: int
    """Environment steps collected for training."""

    updates: int
    """Gradient steps."""

    wall_seconds: float
    """Time that it took, evaluations included."""

    env_steps_per_second: float
    """Environment steps over that time."""

    updates_per_second: float
    """Updates over that time."""

    peak_rss_bytes: int
    """Most memory that its process held."""

    dose: float | None
    """Steps trained on per environment step; None in reports that were written before it was worked out."""

    versions: dict[str, str]
    """Versions of kvzero and the libraries that its result depends on."""

    @property
    def score(self) -> float:
        """Mean return of the final evaluation, never of the best one."""
        return sum(self.final_returns) / len(self.final_returns)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was given and is not in the report."""

    place: str
    """What was given."""

    reason: str
    """Why it was left out."""


@dataclass(frozen=True, slots=True)
class Results:
    """All that one report tells of."""

    runs: tuple[RunResult, ...]
    skipped: tuple[Skipped, ...]
