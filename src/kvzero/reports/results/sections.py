"""What a report says, section by section, as tables, charts and sentences that any kind of document can hold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from kvzero.reports.drawing import Line, LineChart, Table, line_chart
from kvzero.reports.results.aggregates import GroupFigures
from kvzero.reports.results.groups import differing_settings
from kvzero.reports.results.marks import Mark, Marks, Verdict
from kvzero.reports.results.records import Results, RunResult
from kvzero.reports.results.references import published_of, reference_of
from kvzero.reports.results.statistics import LEVEL, NAMES, Estimate
from kvzero.reports.results.suites import SuiteFigures

__all__ = ["Section", "make_sections"]

THIN, BOLD = 0.8, 2.4

OF_SCORES = (
    "A run's score is the mean raw return of its final evaluation: whole games without exploration, with the weights "
    "that it ended with, never those of its best evaluation. Normalised, 0 is random and 1 a person or a perfect game."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a report."""

    title: str
    notes: Sequence[str] = ()
    """Sentences that stand above."""
    names: Sequence[str] = ()
    """What the colours of the charts mean, in order."""
    charts: Sequence[LineChart] = ()
    tables: Sequence[Table] = ()
    commands: Sequence[str] = field(default=())
    """Commands that repeat the runs."""


def make_sections(
    results: Results,
    groups: Sequence[GroupFigures],
    suites: Sequence[SuiteFigures],
    marks: Marks,
    verdicts: Sequence[Verdict],
) -> list[Section]:
    """Return the whole report: an overview, a section for each task, aggregates over tasks, and what was left out.

    What was to be reached stands above, where there are marks.
    """
    tasks = dict.fromkeys(each.group.task for each in groups)
    sections = [_of_marks(marks, verdicts)] if verdicts or marks.heading else []
    sections.append(_overview(groups))
    sections += [_of_task([each for each in groups if each.group.task == task], marks.notes_of(task)) for task in tasks]
    if suites:
        sections.append(_over_tasks(suites))
    if results.skipped:
        rows = [(skipped.place, skipped.reason) for skipped in results.skipped]
        sections.append(Section(title="Left out", tables=[Table("skipped", ("given", "why"), rows)]))
    return sections


def _of_marks(marks: Marks, verdicts: Sequence[Verdict]) -> Section:
    titles = ("task", "environment steps", "seeds", "mark", "setting", "final returns", "verdict", "others (steps)")
    rows = [
        (
            verdict.mark.task,
            "any" if verdict.mark.env_steps is None else f"{verdict.mark.env_steps:,}",
            str(verdict.mark.seeds),
            _mark(verdict.mark),
            "-" if verdict.group is None else verdict.group.label,
            "-" if verdict.group is None else ", ".join(_number(run.score) for run in verdict.group.runs),
            verdict.said,
            ", ".join(
                f"{found.agent} {_number(found.score)} ({_steps(found.env_steps)})"
                for found in published_of(verdict.mark.task)
            ),
        )
        for verdict in verdicts
    ]
    said = [f"{mark.task}: {mark.note}" for mark in marks.marks if mark.note]
    return Section(title="Marks", notes=[*marks.heading, *said], tables=[Table("marks", titles, rows)] if rows else [])


def _mark(mark: Mark) -> str:
    if mark.at_least is None:
        return "stated"
    return f"{_number(mark.at_least)}{' each' if mark.each else ''}"


def _overview(groups: Sequence[GroupFigures]) -> Section:
    titles = ("task", "setting", "environment steps", "seeds", "mean return", "normalised", "wall-clock")
    rows = [
        (
            each.group.task,
            each.group.label,
            f"{each.group.runs[0].env_steps:,}",
            str(len({run.seed for run in each.group.runs})),
            _estimate(each.returns["mean"]),
            _normalised(each),
            _minutes(each.group.runs),
        )
        for each in groups
    ]
    brackets = (
        f"In brackets: the {LEVEL:.0%} interval over seeds, by a stratified bootstrap (rliable); of costs, the lowest "
        "and the highest. Where there is no interval, the section of the task says why."
    )
    return Section(title="Overview", notes=[OF_SCORES, brackets], tables=[Table("overview", titles, rows)])


def _of_task(groups: Sequence[GroupFigures], said: Sequence[str]) -> Section:
    task = groups[0].group.task
    objections = [f"{each.group.label}: {each.group.objection}." for each in groups if each.group.objection]
    reference = reference_of(task)
    notes = [*said, *(f"No interval for {objection}" for objection in objections)]
    if reference is not None:
        notes.append(
            f"Normalised: 0 is {reference.random:g} (random), 1 is {reference.best:g} ({reference.kind}); "
            f"{reference.source}."
        )
    tables = [_returns(task, groups), _seeds(task, groups), _costs(task, groups), _settings(task, groups), _peers(task)]
    return Section(
        title=task,
        notes=notes,
        names=[each.group.label for each in groups],
        charts=[_curves(groups)],
        tables=[table for table in tables if table.rows],
        commands=[run.command for each in groups for run in each.group.runs if run.command],
    )


def _over_tasks(suites: Sequence[SuiteFigures]) -> Section:
    rows = [
        (
            each.label,
            ", ".join(each.tasks),
            *(_estimate(each.normalised[name]) if each.normalised else "-" for name in NAMES),
            each.objection or "",
        )
        for each in suites
    ]
    notes = ["Normalised scores of runs of one setting over several tasks; each task is a stratum of the bootstrap."]
    return Section(title="Over tasks", notes=notes, tables=[Table("suites", ("setting", "tasks", *NAMES, ""), rows)])


def _returns(task: str, groups: Sequence[GroupFigures]) -> Table:
    titles = ("setting", "seeds", "mean", "median", "IQM", "normalised IQM", "optimality gap")
    rows = [
        (
            each.group.label,
            ", ".join(str(run.seed) for run in each.group.runs),
            *(_estimate(each.returns[name]) for name in ("mean", "median", "IQM")),
            _normalised(each),
            _estimate(each.normalised["optimality gap"]) if each.normalised else "-",
        )
        for each in groups
    ]
    return Table(f"returns {task}", titles, rows)


def _seeds(task: str, groups: Sequence[GroupFigures]) -> Table:
    titles = ("setting", "seed", "run", "final return", "games", "lowest", "highest")
    rows = [
        (
            each.group.label,
            str(run.seed),
            run.folder,
            _number(run.score),
            str(len(run.final_returns)),
            _number(min(run.final_returns)),
            _number(max(run.final_returns)),
        )
        for each in groups
        for run in each.group.runs
    ]
    return Table(f"seeds {task}", titles, rows)


def _costs(task: str, groups: Sequence[GroupFigures]) -> Table:
    titles = ("setting", "wall-clock", "steps/s", "updates/s", "peak memory, MB", "dose", "kvzero, torch")
    rows = [
        (
            each.group.label,
            _minutes(each.group.runs),
            _range(run.env_steps_per_second for run in each.group.runs),
            _range(run.updates_per_second for run in each.group.runs),
            _range(run.peak_rss_bytes / 1e6 for run in each.group.runs),
            _range(run.dose for run in each.group.runs if run.dose is not None),
            "; ".join(dict.fromkeys(_versions(run) for run in each.group.runs)),
        )
        for each in groups
    ]
    return Table(f"costs {task}", titles, rows)


def _settings(task: str, groups: Sequence[GroupFigures]) -> Table:
    differing = differing_settings([each.group for each in groups])
    rows = [(name, *(str(value) for value in values)) for name, values in differing.items()]
    return Table(f"settings {task}", ("setting that differs", *(each.group.label for each in groups)), rows)


def _peers(task: str) -> Table:
    rows = [
        (found.agent, _number(found.score), _steps(found.env_steps), found.note, found.source)
        for found in published_of(task)
    ]
    return Table(f"published {task}", ("published", "return", "environment steps", "", "source"), rows)


def _curves(groups: Sequence[GroupFigures]) -> LineChart:
    """Return the chart of evaluations: a line for each seed, and where seeds may be joined, their mean and range."""
    lines: list[Line] = []
    for colour, each in enumerate(groups):
        runs, is_joint = each.group.runs, each.group.objection is None
        lines += [
            Line(f"{each.group.label}, seed {run.seed}", _points(run), colour, width=THIN if is_joint else BOLD)
            for run in runs
        ]
        if is_joint:
            lines.append(_mean_line(each.group.label, runs, colour))
    title = "Evaluations: each seed, their mean, and a band from the lowest to the highest"
    return line_chart(title, lines, x_label="environment steps", y_label="mean return")


def _points(run: RunResult) -> list[tuple[float, float]]:
    return [(float(steps), mean) for steps, mean in run.curve]


def _mean_line(label: str, runs: Sequence[RunResult], colour: int) -> Line:
    """Return the mean over seeds at those steps at which all of them were evaluated."""
    curves = [dict(run.curve) for run in runs]
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    found = [(steps, [curve[steps] for curve in curves]) for steps in shared]
    return Line(
        f"{label}, mean of {len(runs)} seeds",
        [(float(steps), float(np.mean(returns))) for steps, returns in found],
        colour,
        width=BOLD,
        has_marks=True,
        band=[(float(steps), min(returns), max(returns)) for steps, returns in found],
    )


def _normalised(each: GroupFigures) -> str:
    return _estimate(each.normalised["IQM"]) if each.normalised else "-"


def _estimate(found: Estimate) -> str:
    around = "" if found.low is None or found.high is None else f" ({_number(found.low)} to {_number(found.high)})"
    return f"{_number(found.value)}{around}"


def _minutes(runs: Sequence[RunResult]) -> str:
    return f"{_range(run.wall_seconds / 60 for run in runs)} min"


def _range(values: Iterable[float]) -> str:
    """Return the median of some figures, and the lowest and highest where they differ."""
    found = list(values)
    if not found:
        return "-"
    middle, low, high = map(_number, (median(found), min(found), max(found)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _versions(run: RunResult) -> str:
    return ", ".join(run.versions.get(library, "?") for library in ("kvzero", "torch"))


def _steps(env_steps: int | None) -> str:
    return "-" if env_steps is None else f"{env_steps:,}"


def _number(value: Any) -> str:
    """Return a number with three digits that mean something, or one behind the point."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"
