"""What runs were to reach, as a file of marks says, held against what they reached."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvzero.errors import ConfigError, RunError
from kvzero.records import structure
from kvzero.reports.results.groups import Group

__all__ = ["Mark", "Marks", "Note", "Verdict", "judge", "read_marks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the runs of one task were to reach."""

    task: str
    """Environment that is played."""

    env_steps: int | None = None
    """Environment steps in which it was to be reached; None where any number will do."""

    seeds: int
    """Seeds that were to be run."""

    at_least: float | None = None
    """Return that was to be reached; None where the result was only to be stated."""

    each: bool = False
    """Whether every seed was to reach it, and not their mean."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that runs must have to be judged by it; those of runs without them were made to compare."""

    note: str = ""
    """What was tried, and why it was not reached or not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be said of a task's results beside their figures."""

    task: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a file of marks holds."""

    heading: tuple[str, ...] = ()
    """Sentences that stand at the top of a report."""

    marks: tuple[Mark, ...] = ()
    notes: tuple[Note, ...] = ()

    def notes_of(self, task: str) -> list[str]:
        """Return what is to be said of a task."""
        return [note.text for note in self.notes if note.task == task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A mark, and what one group of runs has of it."""

    mark: Mark
    group: Group | None
    """None where nothing was run."""
    said: str


def read_marks(path: Path) -> Marks:
    """Read a file of marks.

    Raises:
        RunError: if it cannot be read.
        ConfigError: if a name in it is unknown or missing, or a value of another type.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is no file of marks ({error})") from error
    try:
        marks = [structure(each, Mark) for each in _tables(found, "mark")]
        notes = [structure(each, Note) for each in _tables(found, "note")]
        return structure(found | {"marks": marks, "notes": notes}, Marks)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _tables(found: dict[str, Any], name: str) -> list[Any]:
    """Take out all tables of this name."""
    tables = found.pop(name, [])
    if not isinstance(tables, list):
        raise ConfigError(f"{name} is {tables!r}; begin each one with a line [[{name}]]")
    return tables


def judge(marks: Sequence[Mark], groups: Sequence[Group]) -> list[Verdict]:
    """Return a verdict for each group that a mark is meant for, and one for each mark that nothing was run for."""
    verdicts = []
    for mark in marks:
        meant = [group for group in groups if _is_meant(mark, group)]
        verdicts += [Verdict(mark=mark, group=group, said=_say(mark, group)) for group in meant]
        if not meant:
            verdicts.append(Verdict(mark=mark, group=None, said="not run"))
    return verdicts


def _is_meant(mark: Mark, group: Group) -> bool:
    settings = group.runs[0].settings
    return group.task == mark.task and all(settings.get(name) == value for name, value in mark.settings.items())


def _say(mark: Mark, group: Group) -> str:
    """Say whether the mark is reached, and what of steps and seeds is not as it was to be."""
    said = [_compare(mark, [run.score for run in group.runs])]
    steps, seeds = group.runs[0].env_steps, len({run.seed for run in group.runs})
    if mark.env_steps is not None and steps != mark.env_steps:
        said.append(f"{steps:,} of {mark.env_steps:,} steps")
    if seeds < mark.seeds:
        said.append(f"{seeds} of {mark.seeds} seeds")
    return "; ".join(said)


def _compare(mark: Mark, scores: Sequence[float]) -> str:
    if mark.at_least is None:
        return "stated"
    if mark.each:
        reached = sum(score >= mark.at_least for score in scores)
        return "reached" if reached == len(scores) else f"missed by {len(scores) - reached} of {len(scores)}"
    return "reached" if sum(scores) / len(scores) >= mark.at_least else "missed"
