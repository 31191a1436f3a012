"""Settings that were run on several tasks: what they amount to over all of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvzero.reports.results.groups import NO_MATTER, Group
from kvzero.reports.results.references import Reference, reference_of
from kvzero.reports.results.statistics import Estimate, aggregate

__all__ = ["SuiteFigures", "summarise_suites"]

OF_TASKS = frozenset({"env_id", "task", "env_kwargs"})
"""Settings that say which task is played."""


@dataclass(frozen=True, slots=True)
class SuiteFigures:
    """One setting over several tasks."""

    label: str
    tasks: tuple[str, ...]
    normalised: dict[str, Estimate] | None
    """Aggregates of normalised scores over runs and tasks; None where tasks have unlike numbers of runs."""
    objection: str | None
    """Why there are no aggregates, or no intervals; None where there are."""


def summarise_suites(groups: Sequence[Group]) -> list[SuiteFigures]:
    """Return a suite for every setting that at least two tasks with references were run with."""
    suites: dict[str, list[tuple[Group, Reference]]] = {}
    for group in groups:
        reference = reference_of(group.task)
        if reference is not None:
            suites.setdefault(_setting(group), []).append((group, reference))
    return [_summarise(found) for found in suites.values() if len(found) > 1]


def _setting(group: Group) -> str:
    """Return what groups of one suite have alike."""
    settings = group.runs[0].settings
    return json.dumps({name: settings[name] for name in sorted(settings) if name not in NO_MATTER | OF_TASKS})


def _summarise(found: list[tuple[Group, Reference]]) -> SuiteFigures:
    groups = [group for group, _ in found]
    label, tasks = groups[0].runs[0].preset, tuple(group.task for group in groups)
    counts = [len(group.runs) for group in groups]
    if len(set(counts)) > 1:
        return SuiteFigures(label, tasks, None, f"tasks have {', '.join(map(str, counts))} runs; give as many for each")
    objection = next((group.objection for group in groups if group.objection), None)
    columns = [reference.normalise(np.array([run.score for run in group.runs])) for group, reference in found]
    return SuiteFigures(label, tasks, aggregate(np.stack(columns, axis=1), has_interval=objection is None), objection)
