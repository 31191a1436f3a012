"""What the turns of a comparison amount to, by variant: speed, memory, cache; pure functions of what was measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter

from kvzero.reports.comparison.records import Comparison, MeasuredRun, Turn
from kvzero.reports.comparison.spread import Spread, spread

__all__ = ["CACHE", "VariantFigures", "cold_laps", "counted", "ratios", "runs_of", "summarise"]

CACHE = "cache/"
"""How the names of a cache's figures begin; then follow the pool and the figure."""

LOST_SECONDS = f"{CACHE}global/regenerate_seconds"
"""Name of the seconds that all pools of a run lost to misses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFigures:
    """What one variant cost; spreads are over turns and seeds unless a field says otherwise, None without any."""

    variant: str
    env_steps_per_second: Spread | None
    """Environment steps over the time of a whole turn."""
    updates_per_second: Spread | None
    """Updates over the time of a whole turn."""
    collect_milliseconds: Spread | None
    """Time of collecting per environment step."""
    update_milliseconds: Spread | None
    """Time of one update."""
    seconds_per_game: Spread | None
    """Time of collecting and updating over games that ended meanwhile; spread over seeds."""
    num_games: int
    """Games that ended, over all seeds."""
    game_steps: Spread | None
    """Environment steps of a game; spread over games."""
    rss_bytes_mean: float | None
    """Memory of the process, mean over the ends of turns."""
    peak_rss_bytes: int | None
    """Most memory that any of its processes ever held."""
    peak_device_bytes: int | None
    """Most memory that the tensors of any of them ever had on a GPU; 0 where none used one."""
    growth_bytes: Spread | None
    """Memory at the end less memory after the first lap of the newest process; spread over seeds."""
    miss_seconds: Spread | None
    """Time spent on computing anew what pools had lost; spread over seeds."""
    miss_share: Spread | None
    """That time as a share of the time of collecting; spread over seeds."""
    cache: dict[str, float]
    """The last cache figures without their `cache/`, mean over seeds."""


def summarise(comparison: Comparison) -> tuple[VariantFigures, ...]:
    """Return the figures of every variant, in the order in which they were given."""
    return tuple(
        _summarise(variant.name, runs_of(comparison, variant.name), comparison) for variant in comparison.variants
    )


def runs_of(comparison: Comparison, variant: str) -> list[MeasuredRun]:
    """Return the runs of one variant, by seed."""
    return [run for run in comparison.runs if run.variant == variant]


def cold_laps(comparison: Comparison) -> frozenset[int]:
    """Return the laps that do not count, in which processes begin: they compile code and take memory.

    There are none where no other lap would be left.
    """
    cold = frozenset({0, *comparison.resumed_after})
    return cold if any(counted(run, cold) for run in comparison.runs) else frozenset()


def counted(run: MeasuredRun, cold: frozenset[int]) -> list[Turn]:
    """Return the turns whose speed counts."""
    return [turn for turn in run.turns if turn.lap not in cold and turn.num_env_steps > 0]


def ratios(
    comparison: Comparison, slow: str, fast: str, *, seconds: Callable[[Turn], float] = attrgetter("seconds")
) -> list[float]:
    """Return how much longer `slow` took than `fast`, within each lap and seed that both finished, per step.

    `seconds` reads the time of a turn: all of it if not given.
    """
    cold = cold_laps(comparison)
    rivals = {
        (run.seed, turn.lap): seconds(turn) / turn.num_env_steps
        for run in runs_of(comparison, fast)
        for turn in counted(run, cold)
    }
    return [
        seconds(turn) / turn.num_env_steps / rivals[run.seed, turn.lap]
        for run in runs_of(comparison, slow)
        for turn in counted(run, cold)
        if (run.seed, turn.lap) in rivals
    ]


def _summarise(variant: str, runs: list[MeasuredRun], comparison: Comparison) -> VariantFigures:
    cold = cold_laps(comparison)
    turns = [turn for run in runs for turn in counted(run, cold)]
    games = [game for run in runs for game in run.games]
    held = [turn.rss_bytes for turn in turns]
    return VariantFigures(
        variant=variant,
        env_steps_per_second=spread(turn.num_env_steps / turn.seconds for turn in turns),
        updates_per_second=spread(turn.num_updates / turn.seconds for turn in turns),
        collect_milliseconds=spread(1000 * turn.collect_seconds / turn.num_env_steps for turn in turns),
        update_milliseconds=spread(1000 * turn.update_seconds / turn.num_updates for turn in turns if turn.num_updates),
        seconds_per_game=spread(_seconds_per_game(runs, cold)),
        num_games=len(games),
        game_steps=spread(game.num_steps for game in games),
        rss_bytes_mean=sum(held) / len(held) if held else None,
        peak_rss_bytes=max((turn.peak_rss_bytes for run in runs for turn in run.turns), default=None),
        peak_device_bytes=max((turn.peak_device_bytes for run in runs for turn in run.turns), default=None),
        growth_bytes=spread(_growth(runs, begun=max(comparison.resumed_after, default=0))),
        miss_seconds=spread(lost for _, lost in _lost(runs)),
        miss_share=spread(lost / sum(turn.collect_seconds for turn in run.turns) for run, lost in _lost(runs)),
        cache=_mean_cache(runs),
    )


def _seconds_per_game(runs: list[MeasuredRun], cold: frozenset[int]) -> Iterable[float]:
    for run in runs:
        turns = counted(run, cold)
        spans = [(turn.env_steps - turn.num_env_steps, turn.env_steps) for turn in turns]
        num_games = sum(begun < game.env_steps <= ended for game in run.games for begun, ended in spans)
        if turns and num_games:
            yield sum(turn.seconds for turn in turns) / num_games


def _growth(runs: list[MeasuredRun], *, begun: int) -> Iterable[float]:
    """Return how much the memory of each run's newest process grew, which began with lap `begun`."""
    for run in runs:
        held = [turn.rss_bytes for turn in run.turns if turn.lap >= begun]
        if len(held) > 1:
            yield held[-1] - held[0]


def _lost(runs: list[MeasuredRun]) -> Iterable[tuple[MeasuredRun, float]]:
    """Return the runs that count it, with the seconds that they lost to misses."""
    for run in runs:
        lost = run.curve[-1].get(LOST_SECONDS) if run.curve else None
        if lost is not None:
            yield run, lost


def _mean_cache(runs: list[MeasuredRun]) -> dict[str, float]:
    """Return the mean over seeds of each cache figure in the last line of metrics."""
    found: dict[str, list[float]] = {}
    for line in (run.curve[-1] for run in runs if run.curve):
        for name, figure in line.items():
            if name.startswith(CACHE) and figure is not None:
                found.setdefault(name.removeprefix(CACHE), []).append(figure)
    return {name: sum(figures) / len(figures) for name, figures in sorted(found.items())}
