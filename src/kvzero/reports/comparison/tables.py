"""The tables on the page of a comparison."""

from collections.abc import Sequence

from kvzero.reports.comparison.agreement import Agreement
from kvzero.reports.comparison.figures import VariantFigures
from kvzero.reports.comparison.records import Comparison, Identity
from kvzero.reports.comparison.spread import Spread
from kvzero.reports.drawing.table import Table

__all__ = [
    "agreement_table",
    "cache_table",
    "facts",
    "identity_table",
    "memory_table",
    "miss_table",
    "speed_table",
]

FIRST = ("total_queries", "hits", "misses", "evictions", "hit_rate", "miss_rate", "size", "pool_size", "bytes")
"""Cache figures that come first in a row."""


def speed_table(figures: Sequence[VariantFigures]) -> Table:
    """Return speeds by variant: medians, and tenths of the turns in brackets."""
    titles = (
        "",
        "steps/s",
        "updates/s",
        "ms per step: collect",
        "ms per update",
        "s per game",
        "games",
        "steps of a game",
    )
    rows = [
        (
            each.variant,
            _spread(each.env_steps_per_second),
            _spread(each.updates_per_second),
            _spread(each.collect_milliseconds),
            _spread(each.update_milliseconds),
            _spread(each.seconds_per_game),
            f"{each.num_games:,}",
            _spread(each.game_steps),
        )
        for each in figures
    ]
    return Table("speed", titles, rows)


def memory_table(figures: Sequence[VariantFigures]) -> Table:
    """Return memory by variant, in megabytes; that of a GPU beside it, where one was used."""
    rows = [
        (each.variant, _megabytes(each.peak_rss_bytes), _megabytes(each.rss_bytes_mean), _spread(_in_megabytes(each)))
        for each in figures
    ]
    titles = "", "peak MB", "mean MB", "growth MB, after the warm-up lap"
    if not any(each.peak_device_bytes for each in figures):
        return Table("memory", titles, rows)
    on_device = [(_megabytes(each.peak_device_bytes),) for each in figures]
    return Table(
        "memory", (*titles, "peak MB on the GPU"), [(*row, *more) for row, more in zip(rows, on_device, strict=True)]
    )


def miss_table(figures: Sequence[VariantFigures]) -> Table:
    """Return the time that variants with pools lost to misses."""
    rows = [
        (each.variant, _spread(each.miss_seconds), _spread(each.miss_share))
        for each in figures
        if each.miss_seconds is not None
    ]
    return Table("misses", ("", "s lost to misses", "as a share of collecting"), rows)


def cache_table(figures: Sequence[VariantFigures]) -> Table:
    """Return the last cache figures: one row for each pool and variant, one column for each figure."""
    split = {name: name.partition("/") for each in figures for name in each.cache}
    pools = dict.fromkeys(pool for pool, _, _ in split.values())
    columns = sorted(dict.fromkeys(figure for _, _, figure in split.values()), key=_place)
    rows = [
        (pool, each.variant, *(_number(each.cache.get(f"{pool}/{column}")) for column in columns))
        for pool in pools
        for each in figures
        if any(name.startswith(f"{pool}/") for name in each.cache)
    ]
    return Table("cache", ("pool", "", *(column.replace("_", " ") for column in columns)), rows)


def _place(figure: str) -> tuple[int, str]:
    """Return where a cache figure stands in a row: known ones in order, others after them."""
    return (FIRST.index(figure) if figure in FIRST else len(FIRST), figure)


def identity_table(identities: Sequence[Identity]) -> Table:
    """Return the largest differences between plans."""
    titles = (
        "", "held against", "precision", "searches", "resets", "root logits", "visit shares", "root values",
        "visit counts", "searches that differ",
    )  # fmt: skip
    rows = [
        (
            each.variant,
            each.reference,
            each.precision,
            f"{each.num_searches:,}",
            f"{each.num_resets:,}",
            f"{each.max_logit_difference:.2g}",
            f"{each.max_policy_difference:.2g}",
            f"{each.max_value_difference:.2g}",
            f"{each.max_visit_difference:,}",
            f"{each.num_differing_searches:,}",
        )
        for each in identities
    ]
    return Table("identity", titles, rows)


def agreement_table(agreements: Sequence[Agreement]) -> Table:
    """Return where training curves part."""
    titles = ("", "held against", "seed", "steps compared", "any digit differs from", "differs by over 0.1 % from")
    rows = [
        (
            each.variant,
            each.reference,
            str(each.seed),
            f"{each.env_steps:,}",
            _step(each.differs_from),
            _step(each.visible_from),
        )
        for each in agreements
    ]
    return Table("agreement", titles, rows)


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what was compared, how and where."""
    found = {
        "command": comparison.command,
        "preset": comparison.preset,
        "environment steps per run": f"{comparison.env_steps:,}",
        "seeds": ", ".join(str(seed) for seed in comparison.seeds),
        "laps": str(comparison.num_laps),
        "threads per run": str(comparison.num_threads),
        "engine": comparison.engine,
        "started": comparison.started,
        **_resumptions(comparison),
        **{
            f"variant {variant.name}": ", ".join(f"{name}={value}" for name, value in variant.settings.items())
            for variant in comparison.variants
        },
        **comparison.machine,
        **{f"version of {name}": version for name, version in comparison.versions.items()},
    }
    return list(found.items())


def _resumptions(comparison: Comparison) -> dict[str, str]:
    laps = ", ".join(str(laps) for laps in comparison.resumed_after)
    return {"taken up again after laps": laps} if laps else {}


def _spread(found: Spread | None) -> str:
    if found is None:
        return "-"
    around = f" ({_number(found.low)} to {_number(found.high)})" if found.num > 1 else ""
    return f"{_number(found.median)}{around}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"


def _megabytes(value: int | float | None) -> str:
    return "-" if value is None else f"{value / 1e6:,.1f}"


def _in_megabytes(each: VariantFigures) -> Spread | None:
    found = each.growth_bytes
    return found and Spread(found.median / 1e6, found.low / 1e6, found.high / 1e6, found.num)


def _step(value: int | None) -> str:
    return "never" if value is None else f"step {value:,}"
