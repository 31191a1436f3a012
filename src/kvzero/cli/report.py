"""`kvzero report`: finished runs, told of together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kvzero.cli.command import train_command
from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.cli.streams import make_console, warn
from kvzero.errors import ConfigError
from kvzero.reports.results import read_marks, write_results
from kvzero.training import read_results

__all__ = ["report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Tell of finished runs together: curves, aggregates over seeds with intervals, costs, what others published."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of runs, or reports that were written as JSON before."""

    out: tuple[Path, ...]
    """Files to write: a page (.html), Markdown (.md), everything (.json), or a table of runs (.csv)."""

    title: str = "Learning results"
    """What stands above."""

    marks: Path | None = None
    """File that says what was to be reached and what is to be said of tasks, which then stands in the report too."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ConfigError(
                "no runs are named; give the folders of some, as in kvzero report runs/* --out results.html"
            )
        if not self.out:
            raise ConfigError("--out names no file; give one or more, such as --out results.html")


def report(arguments: Sequence[str]) -> int:
    """Run `kvzero report`."""
    request = parse(Report, arguments, prog="kvzero report")
    for path in request.out:
        refuse_folder(path, such_as="results.html")
    marks = None if request.marks is None else read_marks(request.marks)
    results = read_results(request.runs, tell_command=train_command)
    # which names what is left out if nothing else is there
    write_results(results, request.out, title=request.title, marks=marks)
    for skipped in results.skipped:
        warn(f"{skipped.place} is left out: {skipped.reason}")
    make_console().print(f"{len(results.runs)} runs in {', '.join(map(str, request.out))}")
    return 0
