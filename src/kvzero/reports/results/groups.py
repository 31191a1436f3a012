"""Which runs are seeds of one thing: the same task with the same settings; and whether they can carry an interval."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kvzero.reports.results.records import RunResult

__all__ = ["Group", "differing_settings", "group_runs"]

NO_MATTER = frozenset({
    "seed", "preset", "runs_dir", "run_name", "sinks", "monitor", "device", "num_threads", "num_env_threads",
    "num_env_workers", "evaluate_beside", "log_every", "checkpoint_every", "keep_checkpoints",
})  # fmt: skip
"""Settings that decide neither what is learnt nor how it is judged: runs that differ in these alone are one group."""

NAMED = 2
"""Settings that a group may differ in from others for them to be its name."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one task with one setting."""

    task: str
    label: str
    """What it is called among the groups of its task: its preset, and what it has of its own."""
    runs: tuple[RunResult, ...]

    @property
    def objection(self) -> str | None:
        """Why no interval over its seeds may be drawn; None where one may."""
        counts = Counter(run.seed for run in self.runs)
        repeated = [seed for seed, count in counts.items() if count > 1]
        if repeated:
            folders = [run.folder for run in self.runs if run.seed == repeated[0]]
            return (
                f"seed {repeated[0]} was run {len(folders)} times ({', '.join(folders)}): runs of one seed do not vary "
                "as seeds do, and an interval over them would claim more than is known; give one run of each seed"
            )
        if len(self.runs) == 1:
            return "one run: an interval needs at least two seeds"
        return None


def group_runs(runs: Sequence[RunResult]) -> list[Group]:
    """Return groups in the order in which the tasks, and within each the settings, were first given."""
    tasks: dict[str, dict[str, list[RunResult]]] = {}
    for run in runs:
        tasks.setdefault(run.task, {}).setdefault(_identity(run), []).append(run)
    return [group for task, found in tasks.items() for group in _label(task, list(found.values()))]


def differing_settings(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all of these groups, each with its value in every group."""
    return _differing([group.runs[0] for group in groups])


def _differing(runs: Sequence[RunResult]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for run in runs for name in run.settings if name not in NO_MATTER)
    found = {name: [run.settings.get(name) for run in runs] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _identity(run: RunResult) -> str:
    """Return what is the same for all runs of one group of a task."""
    return json.dumps({name: value for name, value in run.settings.items() if name not in NO_MATTER}, sort_keys=True)


def _label(task: str, found: list[list[RunResult]]) -> list[Group]:
    firsts = [runs[0] for runs in found]
    differing = _differing(firsts)
    groups = []
    for place, (run, runs) in enumerate(zip(firsts, found, strict=True)):
        own = "" if len(firsts) == 1 else _own(place, differing)
        groups.append(Group(task, f"{run.preset}{own}", tuple(sorted(runs, key=lambda each: each.seed))))
    return groups


def _own(place: int, differing: dict[str, list[Any]]) -> str:
    """Return what tells a group from the others of its task: the settings, or a number where those are many."""
    if len(differing) > NAMED:
        return f" ({place + 1})"
    return "".join(f", {name} {values[place]}" for name, values in differing.items())
