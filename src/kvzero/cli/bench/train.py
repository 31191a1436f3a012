"""`kvzero bench train`: environment steps and updates per second, and where their time goes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kvzero.bench import TrainBench, measure_training
from kvzero.cli.bench.output import describe, say, show, write
from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.recipes import preset

__all__ = ["bench_train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainCommand(TrainBench):
    """Measure a preset's collecting and learning, apart from each other, with untrained weights."""

    out: Path | None = None
    """Also write the JSON object into this file."""

    json: bool = False
    """Print one JSON object instead of tables."""


def bench_train(arguments: Sequence[str]) -> int:
    """Run `kvzero bench train`."""
    command = parse(TrainCommand, arguments, prog="kvzero bench train")
    refuse_folder(command.out)
    surroundings = describe(command)  # first, so that the load is that of others
    figures = asdict(measure_training(command, preset(command.preset)))
    found = figures | surroundings
    write(found, command.out)
    if command.json:
        say(found)
        return 0
    steps, updates = figures.pop("step_milliseconds"), figures.pop("update_milliseconds")
    show("training", figures)
    show("\nmilliseconds of one step of all environments", steps)
    show("\nmilliseconds of one update", updates)
    return 0
