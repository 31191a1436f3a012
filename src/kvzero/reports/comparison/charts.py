"""Which charts the page of a comparison has, and the lines in them."""

from collections.abc import Callable, Iterable, Iterator

from kvzero.reports.comparison.figures import CACHE, counted, runs_of
from kvzero.reports.comparison.records import Comparison, MeasuredRun, Turn
from kvzero.reports.comparison.spread import spread
from kvzero.reports.drawing.lines import Line, LineChart, line_chart
from kvzero.reports.figures import ENV_STEPS, LOSS

__all__ = ["cache_charts", "memory_chart", "speed_charts", "training_charts"]

STEPS = "environment steps"
NUM_BINS = 40
"""Stretches of environment steps over which returns of single games are averaged."""

DRAWN = ("hit_rate", "misses", "evictions", "size")
"""Cache figures that are drawn, of each pool; the others are in the table."""

Points = list[tuple[float, float]]


def speed_charts(comparison: Comparison) -> list[LineChart]:
    """Return environment steps and updates per second over laps, medians over seeds."""
    steps = _by_lap(comparison, lambda turn: turn.num_env_steps / turn.seconds)
    updates = _by_lap(comparison, lambda turn: turn.num_updates / turn.seconds)
    return [
        line_chart("Environment steps per second", list(steps), x_label="lap", y_label="steps/s", from_zero=True),
        line_chart("Updates per second", list(updates), x_label="lap", y_label="updates/s", from_zero=True),
    ]


def training_charts(comparison: Comparison) -> list[LineChart]:
    """Return the curves of returns and losses, one line for each variant and seed."""
    returns = _by_run(comparison, lambda run: _binned_returns(run, comparison.env_steps))
    losses = _by_run(comparison, lambda run: _series(run, LOSS))
    return [
        line_chart("Return of training games", list(returns), x_label=STEPS, y_label="mean return"),
        line_chart("Loss", list(losses), x_label=STEPS, y_label="loss"),
    ]


def memory_chart(comparison: Comparison) -> LineChart:
    """Return the memory that each run's process held."""
    lines = _by_run(comparison, lambda run: [(float(turn.env_steps), turn.rss_bytes / 1e6) for turn in run.turns])
    return line_chart("Memory held by the process", list(lines), x_label=STEPS, y_label="MB", from_zero=True)


def cache_charts(comparison: Comparison) -> list[LineChart]:
    """Return charts of hit rates, misses, evictions and sizes of each pool; runs without pools have no line."""
    names = {name for run in comparison.runs for line in run.curve for name in line if name.startswith(CACHE)}
    pools = sorted({name.split("/")[1] for name in names} - {"global"})
    drawn = [f"{CACHE}{pool}/{figure}" for pool in pools for figure in DRAWN]
    return [_cache_chart(comparison, name) for name in drawn if name in names]


def _cache_chart(comparison: Comparison, name: str) -> LineChart:
    lines = list(_by_run(comparison, lambda run: _series(run, name)))
    title, label = name.removeprefix(CACHE), name.rpartition("/")[2]
    return line_chart(title, lines, x_label=STEPS, y_label=label, from_zero=True)


def _by_lap(comparison: Comparison, read: Callable[[Turn], float]) -> Iterator[Line]:
    """Return one line for each variant: the median over its seeds in each lap."""
    for index, variant in enumerate(comparison.variants):
        laps: dict[int, list[float]] = {}
        for run in runs_of(comparison, variant.name):
            for turn in counted(run, cold=frozenset()):
                laps.setdefault(turn.lap, []).append(read(turn))
        medians = [(float(lap), found.median) for lap, figures in sorted(laps.items()) if (found := spread(figures))]
        yield Line(variant.name, medians, index, has_marks=True)


def _by_run(comparison: Comparison, read: Callable[[MeasuredRun], Points]) -> Iterator[Line]:
    """Return one line for each variant and seed; later variants are thinner, so that equal lines show both."""
    num = len(comparison.variants)
    for index, variant in enumerate(comparison.variants):
        width = 1.3 + 3.2 * (num - 1 - index) / max(num - 1, 1)
        for run in runs_of(comparison, variant.name):
            yield Line(f"{variant.name}, seed {run.seed}", read(run), index, width=width)


def _series(run: MeasuredRun, name: str) -> Points:
    """Return environment steps and values of one figure, where it was finite."""
    return [(line[ENV_STEPS] or 0.0, value) for line in run.curve if (value := line.get(name)) is not None]


def _binned_returns(run: MeasuredRun, env_steps: int) -> Points:
    """Return the mean return of the games that ended within each stretch of environment steps."""
    width = max(env_steps / NUM_BINS, 1)
    bins: dict[int, list[float]] = {}
    for game in run.games:
        bins.setdefault(int(game.env_steps / width), []).append(game.raw_return)
    return [((place + 0.5) * width, _mean(returns)) for place, returns in sorted(bins.items())]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
