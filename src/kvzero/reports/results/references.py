"""What others published, and what scores are measured against: read from `references.toml`, which has the sources."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kvzero.records import structure

__all__ = ["Published", "Reference", "published_of", "reference_of"]

FILE = Path(__file__).with_name("references.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What 0 and 1 stand for in the normalised scores of a task."""

    task: str
    random: float
    """Return of random actions, or of whoever knows nothing."""
    best: float
    """Return that counts as 1."""
    kind: str
    """What that is: human, or perfect."""
    source: str

    def normalise(self, scores: np.ndarray) -> np.ndarray:
        """Return scores of which 0 is random and 1 the best."""
        return (scores - self.random) / (self.best - self.random)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A score that someone else published for a task."""

    task: str
    agent: str
    score: float
    env_steps: int | None = None
    """Steps of the agent that it was trained for; None for what was not trained."""
    note: str = ""
    source: str


def reference_of(task: str) -> Reference | None:
    """Return what a task's scores are measured against; None where there is nothing."""
    return _references().get(task)


def published_of(task: str) -> list[Published]:
    """Return what others published for a task, the highest score first."""
    return sorted((found for found in _published() if found.task == task), key=lambda found: -found.score)


@cache
def _references() -> dict[str, Reference]:
    return {found.task: found for found in (structure(each, Reference) for each in _read()["reference"])}


@cache
def _published() -> tuple[Published, ...]:
    return tuple(structure(found, Published) for found in _read()["published"])


def _read() -> dict[str, list[dict[str, object]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
