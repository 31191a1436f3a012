"""`kvzero bench train`: environment steps and updates per second, and where their time goes."""

from collections.abc import Sequence
from dataclasses import asdict

from kvzero.cli.bench.output import describe, refuse_folder, say, show, write
from kvzero.cli.bench.training import TrainBench, measure_training
from kvzero.cli.parse import parse
from kvzero.recipes import preset

__all__ = ["bench_train"]


def bench_train(arguments: Sequence[str]) -> int:
    """Run `kvzero bench train`."""
    config = parse(TrainBench, arguments, prog="kvzero bench train")
    refuse_folder(config.out)
    surroundings = describe(config)  # first, so that the load is that of others
    figures = asdict(measure_training(config, preset(config.preset)))
    found = figures | surroundings
    write(found, config.out)
    if config.json:
        say(found)
        return 0
    steps, updates = figures.pop("step_milliseconds"), figures.pop("update_milliseconds")
    show("training", figures)
    show("\nmilliseconds of one step of all environments", steps)
    show("\nmilliseconds of one update", updates)
    return 0
