"""The figures of a group: aggregates of its runs' returns, and of the same normalised."""

from dataclasses import dataclass

import numpy as np

from kvzero.reports.results.groups import Group
from kvzero.reports.results.references import reference_of
from kvzero.reports.results.statistics import Estimate, aggregate

__all__ = ["GroupFigures", "summarise_group"]


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """A group and what its runs amount to."""

    group: Group
    returns: dict[str, Estimate]
    """Aggregates of raw returns; an optimality gap has no meaning there, and is left out."""
    normalised: dict[str, Estimate] | None
    """Aggregates of normalised scores; None where the task has no reference."""


def summarise_group(group: Group) -> GroupFigures:
    """Return the aggregates of a group; without intervals where there is an objection to one."""
    scores, has_interval = np.array([[run.score] for run in group.runs]), group.objection is None
    returns, reference = aggregate(scores, has_interval=has_interval), reference_of(group.task)
    returns.pop("optimality gap")
    if reference is None:
        return GroupFigures(group, returns, None)
    return GroupFigures(group, returns, aggregate(reference.normalise(scores), has_interval=has_interval))
