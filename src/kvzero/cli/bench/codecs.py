"""`kvzero bench codecs`: what rounding keys and values saves and costs, in games of a run's agent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from kvzero.bench import CodecBench, CodecFigures, measure_codecs
from kvzero.cli.bench.output import describe, say, write
from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.cli.streams import make_console

__all__ = ["bench_codecs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecsCommand(CodecBench):
    """Hold searches over rounded keys and values against exact ones, in games of a run's newest checkpoint."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or the file of an agent."""

    out: Path | None = None
    """Also write the JSON object into this file."""

    json: bool = False
    """Print one JSON object instead of tables."""


def bench_codecs(arguments: Sequence[str]) -> int:
    """Run `kvzero bench codecs`."""
    command = parse(CodecsCommand, arguments, prog="kvzero bench codecs")
    refuse_folder(command.out)
    surroundings = describe(command)  # first, so that the load is that of others
    figures = measure_codecs(command.run, command)
    found = asdict(figures) | surroundings
    write(found, command.out)
    if command.json:
        say(found)
    else:
        _show(command.run, figures)
    return 0


def _show(run: Path, figures: CodecFigures) -> None:
    console = make_console()
    console.print(
        f"{run}, checkpoint {figures.checkpoint}: {figures.num_searches} searches, values of "
        f"{figures.mean_absolute_value:.4g} on average"
    )
    costs = Table("codec", "bytes", "smaller", "code, µs", "decode, µs", box=None, title="one context")
    for cost in figures.costs:
        times = f"{cost.encode_microseconds:,}", f"{cost.decode_microseconds:,}"
        costs.add_row(cost.codec, f"{cost.bytes:,}", f"{cost.times_smaller:.2f} times", *times)
    console.print(costs)
    titles = ("codec", "coded", "value", "policy", "search value", "visits", "action")
    errors = Table(*titles, box=None, title="errors, mean / largest, and searches changed")
    for each in figures.errors:
        errors.add_row(
            each.codec,
            each.coded.removeprefix("every "),
            _both(each.value_error_mean, each.value_error_max),
            _both(each.policy_error_mean, each.policy_error_max),
            _both(each.search_value_error_mean, each.search_value_error_max),
            f"{each.visits_changed_percent:.1f} %",
            f"{each.actions_changed_percent:.1f} %",
        )
    console.print(errors)


def _both(mean: float, largest: float) -> str:
    """Return two numbers in as few characters as can be."""
    return "/".join("0" if number == 0 else f"{number:.1e}".replace("e-0", "e-") for number in (mean, largest))
