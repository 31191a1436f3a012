"""`kvzero bench search`: simulations per second of a whole search, on this machine, for any shape."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kvzero.bench import SearchBench, Sweep, draw_sweep, measure_search, measure_sweep
from kvzero.cli.bench.output import describe, say, show, write
from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.files import make_parent

__all__ = ["SearchCommand", "bench_search", "statements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCommand(SearchBench):
    """Measure searches of one shape with random weights: observe, then plan, for all environments."""

    out: Path | None = None
    """Also write the JSON object into this file."""

    json: bool = False
    """Print one JSON object instead of a table."""


def bench_search(arguments: Sequence[str]) -> int:
    """Run `kvzero bench search`."""
    command = parse(SearchCommand, arguments, prog="kvzero bench search")
    refuse_folder(command.out)
    refuse_folder(command.sweep, flag="--sweep", such_as="sweep.png")
    surroundings = describe(command)  # first, so that the load is that of others
    figures = asdict(measure_search(command))
    sweep = _measure_sweep(command)
    found = figures | surroundings | ({} if sweep is None else {"sweep": sweep.as_json()})
    write(found, command.out)
    if command.json:
        say(found)
        return 0
    show("search", figures)
    if sweep is not None:
        print("\n".join(statements(sweep)))
    return 0


def _measure_sweep(command: SearchCommand) -> Sweep | None:
    """Measure and draw how cost grows, if that was asked for."""
    if command.sweep is None:
        return None
    sweep = measure_sweep(command)
    make_parent(command.sweep)
    draw_sweep(sweep, command.sweep)
    return sweep


def statements(sweep: Sweep) -> list[str]:
    """Say in words how cost grows with each size."""
    return [
        f"{name} from {min(line.sizes)} to {max(line.sizes)}: cost grows with its power {line.power:.2f}, at most "
        f"{line.worst_growth:.2f} times as fast as the size; a straight line explains {line.r_squared:.1%} of it"
        for name, line in sweep.lines.items()
    ]
