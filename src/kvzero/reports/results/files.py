"""A report as files: a page, Markdown with its charts beside it, JSON with everything, or a table of runs."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kvzero.errors import ConfigError, RunError
from kvzero.files import make_parent, write_atomically
from kvzero.records import structure, unstructure
from kvzero.reports.characters import spell
from kvzero.reports.drawing import NUM_COLOURS
from kvzero.reports.rendering import render
from kvzero.reports.results.aggregates import GroupFigures, summarise_group
from kvzero.reports.results.groups import group_runs
from kvzero.reports.results.markdown import write_markdown
from kvzero.reports.results.marks import Marks, Verdict, judge
from kvzero.reports.results.records import Results, RunResult
from kvzero.reports.results.references import published_of, reference_of
from kvzero.reports.results.sections import Section, make_sections
from kvzero.reports.results.suites import SuiteFigures, summarise_suites

__all__ = ["OUT_KINDS", "read_results_file", "write_results"]

FORMAT = 1

COSTS = ("env_steps", "updates", "wall_seconds", "env_steps_per_second", "updates_per_second", "peak_rss_bytes", "dose")


def write_results(results: Results, outs: Sequence[Path], *, title: str, marks: Marks | None = None) -> None:
    """Write one report into files, each as the end of its name says; with `marks`, what was to be reached stands above.

    Raises:
        ConfigError: if the end of a name is none of `OUT_KINDS`, or the extra `report` is not installed.
        RunError: if there are no runs, or a file cannot be written.
    """
    for out in outs:
        if out.suffix not in OUT_KINDS:
            raise ConfigError(f"out is {out}; give a name that ends in one of {', '.join(OUT_KINDS)}")
    if not results.runs:
        said = "; ".join(f"{skipped.place}: {skipped.reason}" for skipped in results.skipped)
        raise RunError(f"there is nothing to report: {said}")
    groups = group_runs(results.runs)
    figures = [summarise_group(group) for group in groups]
    report = _Report(results, title, figures, summarise_suites(groups), marks or Marks())
    for out in outs:
        make_parent(out)
        OUT_KINDS[out.suffix](report, out)


def read_results_file(path: Path) -> tuple[RunResult, ...]:
    """Return the runs that are told of in a report that was written as JSON.

    Raises:
        RunError: if it is no such file, damaged, or from another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise RunError(f"{path} has format {content['format']}, this kvzero reads {FORMAT}")
        return tuple(structure(run, RunResult) for run in content["runs"])
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no report of kvzero, damaged, or from another version ({error})") from error


class _Report:
    """One report, before it is written."""

    def __init__(
        self,
        results: Results,
        title: str,
        groups: Sequence[GroupFigures],
        suites: Sequence[SuiteFigures],
        marks: Marks,
    ) -> None:
        self.results = results
        self.title = title
        self.groups = groups
        self.suites = suites
        self.marks = marks
        self.verdicts = judge(marks.marks, [each.group for each in groups])

    @property
    def sections(self) -> list[Section]:
        return make_sections(self.results, self.groups, self.suites, self.marks, self.verdicts)


def _write_page(report: _Report, out: Path) -> None:
    page = render("results", title=report.title, num_colours=NUM_COLOURS, sections=report.sections)
    write_atomically(out, spell(page, "utf-8").encode())


def _write_markdown(report: _Report, out: Path) -> None:
    write_markdown(out, report.title, report.sections)


def _write_json(report: _Report, out: Path) -> None:
    content = {
        "format": FORMAT,
        "groups": [_describe(each) for each in report.groups],
        "suites": [asdict(each) for each in report.suites],
        "marks": [_describe_verdict(each) for each in report.verdicts],
        "skipped": [asdict(each) for each in report.results.skipped],
        "runs": [unstructure(run) for run in report.results.runs],
    }
    write_atomically(out, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _describe(each: GroupFigures) -> dict[str, Any]:
    """Return a group's figures for JSON; its runs are named by their folders."""
    reference = reference_of(each.group.task)
    return {
        "task": each.group.task,
        "setting": each.group.label,
        "runs": [run.folder for run in each.group.runs],
        "objection": each.group.objection,
        "returns": {name: asdict(found) for name, found in each.returns.items()},
        "normalised": each.normalised and {name: asdict(found) for name, found in each.normalised.items()},
        "reference": reference and asdict(reference),
        "published": [asdict(found) for found in published_of(each.group.task)],
    }


def _describe_verdict(verdict: Verdict) -> dict[str, Any]:
    group = None if verdict.group is None else verdict.group.label
    return {**unstructure(verdict.mark), "setting": group, "verdict": verdict.said}


def _write_csv(report: _Report, out: Path) -> None:
    """Write one row for each run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task", "setting", "preset", "seed", "run", "return", "games", "normalised", *COSTS, "command"])
    for each in report.groups:
        reference = reference_of(each.group.task)
        for run in each.group.runs:
            normalised = "" if reference is None else reference.normalise(np.array([run.score])).item()
            facts = (each.group.task, each.group.label, run.preset, run.seed, run.folder, run.score)
            costs = (getattr(run, name) for name in COSTS)
            table.writerow([*facts, len(run.final_returns), normalised, *costs, run.command])
    write_atomically(out, spell(text.getvalue(), "utf-8").encode())


OUT_KINDS: dict[str, Callable[[_Report, Path], None]] = {
    ".html": _write_page,
    ".md": _write_markdown,
    ".json": _write_json,
    ".csv": _write_csv,
}
"""How a report is written, by the end of the file's name."""
