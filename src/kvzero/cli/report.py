"""`kvzero report`: finished runs, told of together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kvzero.cli.command import train_command
from kvzero.cli.parse import parse
from kvzero.cli.streams import make_console, warn
from kvzero.reports.results import write_results
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


def report(arguments: Sequence[str]) -> int:
    """Run `kvzero report`."""
    request = parse(Report, arguments, prog="kvzero report")
    results = read_results(request.runs, tell_command=train_command)
    write_results(results, request.out, title=request.title)  # which names what is left out if nothing else is there
    for skipped in results.skipped:
        warn(f"{skipped.place} is left out: {skipped.reason}")
    make_console().print(f"{len(results.runs)} runs in {', '.join(map(str, request.out))}")
    return 0
