"""Keep a long comparison, and write the documentation's page *Performance report* from those that are kept.

    python results/compare/report.py keep FOLDER NAME      what `kvzero compare --out FOLDER` wrote, as long-NAME.json
    python results/compare/report.py write                 docs/performance-report.md and its pictures

What is kept is the comparison's own `report.json`, with every figure of its tables and at most 200 lines of each curve.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
NUM_LINES = 200
SLOWER = 0.05
"""What the engineering report calls slower."""
Growth = dict[str, tuple[float | None, float | None]]
"""Bytes that processes grew by in the first and in the second half, by variant."""

HEAD = """# Performance report

The engineering report that kvzero began from asks for a long comparison of its old and its new cache (its section 7.3):
100,000 environment steps of the same run with the same seed, held against three thresholds: 5 % slower, results that
differ, memory that leaks. Here `legacy` is the old system, dictionaries managed by hand, `pooled` the new one, the
`KVCacheManager`, and `tree` kvzero's own store, which is the default. This page is written by
`python results/compare/report.py write` from `results/compare/long-*.json`, which
[`kvzero compare`](guides/compare.md) measured.

Updates are fewer than in the preset, so that three runs fit into an hour of one thread. The machine did other work
meanwhile, by laps more or less: speeds compare stores within a lap, as the ratios of the verdict do, and their spread
is wide. Those of a quiet machine, of shorter runs, are in [Caches compared](caches-compared.md).
"""


def keep(folder: Path, name: str) -> None:
    """Write what a comparison measured beside this file, its curves thinned."""
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for run in content["comparison"]["runs"]:
        every = -(-len(run["curve"]) // NUM_LINES)
        run["curve"] = run["curve"][every - 1 :: every]
        run["games"] = _bins(run["games"], content["comparison"]["env_steps"])
    (HERE / f"long-{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


def _bins(games: list[dict[str, Any]], env_steps: int) -> list[dict[str, Any]]:
    """Return the games as means over a fortieth of the run each."""
    width = env_steps / 40
    found: dict[int, list[dict[str, Any]]] = {}
    for game in games:
        found.setdefault(int(game["env_steps"] / width), []).append(game)
    return [
        {
            "env_steps": round((place + 0.5) * width),
            "raw_return": float(np.mean([game["raw_return"] for game in some])),
            "num_steps": float(np.mean([game["num_steps"] for game in some])),
            "num_games": len(some),
        }
        for place, some in sorted(found.items())
    ]


def write() -> None:
    """Write the page, and a picture for each comparison."""
    parts = [HEAD]
    for path in sorted(HERE.glob("long-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.removeprefix("long-")
        _draw(content["comparison"], DOCS / "assets" / f"compare-{name}.png")
        parts.append(_section(name, content))
    (DOCS / "performance-report.md").write_text("\n".join(parts), encoding="utf-8")


def _section(name: str, content: dict[str, Any]) -> str:
    comparison = content["comparison"]
    machine = comparison["machine"]
    where = f"{machine.get('processor', 'an unnamed processor')} ({machine.get('cores', '?')} cores)"
    growth = {each["variant"]: _growth(comparison, each["variant"]) for each in content["figures"]}
    how = f"{comparison['num_threads']} thread a run{_resumptions(comparison)}"
    lines = [
        f"## {comparison['preset']}, {comparison['env_steps']:,} steps",
        "",
        f"`{comparison['command']}`, begun {comparison['started']} on {where}, {how}.",
        "",
        content["verdict"]["sentence"],
        "",
        *_table(("", *growth), _rows(content, growth)),
        "",
        *_thresholds(content, growth),
        "",
        f"![Memory, hit rate, return and loss over the run](assets/compare-{name}.png)",
        "",
    ]
    return "\n".join(lines)


def _resumptions(comparison: dict[str, Any]) -> str:
    laps = comparison["resumed_after"]
    return f", taken up again after {', '.join(map(str, laps))} of {comparison['num_laps']} laps" if laps else ""


def _rows(content: dict[str, Any], growth: Growth) -> Iterable[tuple[str, ...]]:
    figures = content["figures"]
    for label, name in (
        ("environment steps/s", "env_steps_per_second"),
        ("ms per environment step of collecting", "collect_milliseconds"),
        ("ms per update", "update_milliseconds"),
        ("s per game", "seconds_per_game"),
    ):
        yield label, *[_spread(each[name]) for each in figures]
    yield "mean memory, MB", *[_megabytes(each["rss_bytes_mean"]) for each in figures]
    yield "peak memory, MB", *[_megabytes(each["peak_rss_bytes"]) for each in figures]
    yield "memory grown in the first half, MB", *[_megabytes(first) for first, _ in growth.values()]
    yield "memory grown in the second half, MB", *[_megabytes(second) for _, second in growth.values()]
    for label, name in (
        ("hit rate", "global/hit_rate"),
        ("misses", "global/misses"),
        ("evictions", "global/evictions"),
        ("s lost to misses", "global/regenerate_seconds"),
    ):
        yield label, *[_cache(each["cache"].get(name)) for each in figures]
    yield "mean return of the last tenth", *[_last(content["comparison"], each["variant"]) for each in figures]


def _thresholds(content: dict[str, Any], growth: Growth) -> Iterable[str]:
    """Return a line for each threshold of the report."""
    findings = {(each["kind"], each["variant"]) for each in content["verdict"]["findings"]}
    slower = [
        f"{each['variant']}, {each['text']}" for each in content["verdict"]["findings"] if each["kind"] == "slower"
    ]
    yield f"- **Over {100 * SLOWER:g} % slower than another**: {'. '.join(slower) or 'none'}."
    yield f"- **The new system against the old**: {_new_against_old(content['comparison'])}."
    differs = [variant for kind, variant in findings if kind == "differs"]
    agreements = [
        f"{each['variant']} and {each['reference']} "
        + (
            "the same in every digit"
            if each["differs_from"] is None
            else f"differ from step {each['differs_from']:,} on"
        )
        for each in content["agreements"]
    ]
    yield (
        "- **Different results** on the same observations with the same weights: "
        f"{', '.join(sorted(differs)) or 'none'}. Losses and returns of the trainings: {'; '.join(agreements)}."
    )
    told = ", ".join(f"{name} {_megabytes(second)} MB" for name, (_, second) in growth.items())
    yield f"- **A leak**: what processes grew by in the second half, with a replay that fills: {told}."


def _new_against_old(comparison: dict[str, Any]) -> str:
    """Return what a turn of `pooled` took beside the turn of `legacy` in the same lap, without laps of warming up."""
    cold = {0, *comparison["resumed_after"]}
    seconds = {
        (run["variant"], run["seed"], turn["lap"]): turn["collect_seconds"] + turn["update_seconds"]
        for run in comparison["runs"]
        for turn in run["turns"]
        if turn["lap"] not in cold
    }
    ratios = [
        spent / seconds["legacy", seed, lap]
        for (variant, seed, lap), spent in seconds.items()
        if variant == "pooled" and ("legacy", seed, lap) in seconds
    ]
    low, middle, high = (100 * (np.quantile(ratios, share) - 1) for share in (0.1, 0.5, 0.9))
    return (
        f"pooled takes {abs(middle):.1f} % {'longer' if middle > 0 else 'less long'} than legacy, by the median of "
        f"{len(ratios)} laps (from {low:+.1f} to {high:+.1f} % between the tenths)"
    )


def _growth(comparison: dict[str, Any], variant: str) -> tuple[float | None, float | None]:
    """Return the growth of memory in both halves of a run, medians over seeds; None where its process was another."""
    first, second = [], []
    for run in comparison["runs"]:
        if run["variant"] != variant or len(run["turns"]) < 4:
            continue
        held = {turn["lap"]: turn["rss_bytes"] for turn in run["turns"]}
        laps = sorted(held)
        middle, cold = laps[len(laps) // 2], comparison["resumed_after"]
        if not any(laps[0] < lap <= middle for lap in cold):
            first.append(held[middle] - held[laps[0]])
        if not any(middle < lap <= laps[-1] for lap in cold):
            second.append(held[laps[-1]] - held[middle])
    return _median(first), _median(second)


def _median(found: list[int]) -> float | None:
    return float(np.median(found)) if found else None


def _last(comparison: dict[str, Any], variant: str) -> str:
    beyond = 0.9 * comparison["env_steps"]
    games = [
        game
        for run in comparison["runs"]
        if run["variant"] == variant
        for game in run["games"]
        if game["env_steps"] > beyond
    ]
    num_games = sum(game["num_games"] for game in games)
    return f"{sum(game['raw_return'] * game['num_games'] for game in games) / num_games:.1f}" if num_games else "-"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    for row in (header, ("---",) * len(header), *rows):
        yield "| " + " | ".join(row) + " |"


def _spread(found: dict[str, float] | None) -> str:
    return f"{found['median']:.3g} ({found['low']:.3g} to {found['high']:.3g})" if found else "-"


def _megabytes(found: float | None) -> str:
    return "-" if found is None else f"{found / 1e6:,.1f}"


def _cache(found: float | None) -> str:
    return "-" if found is None else f"{found:,.4g}"


def _draw(comparison: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
    names = ("rss_bytes", "cache/global/hit_rate", "return", "loss")
    labels = ("memory, MB", "hit rate", "return of training games", "loss")
    for index, run in enumerate(comparison["runs"]):
        style = {"label": f"{run['variant']}, seed {run['seed']}", "linewidth": 3.5 - index % 3, "alpha": 0.8}
        for place, name in zip(axes.flat, names, strict=True):
            lines = run["games"] if name == "return" else run["curve"]
            read = "raw_return" if name == "return" else name
            points = [(line["env_steps"], line[read]) for line in lines if line.get(read) is not None]
            if points:
                steps, values = np.array(points).T
                place.plot(steps, values / (1e6 if name == "rss_bytes" else 1), **style)
    for place, label in zip(axes.flat, labels, strict=True):
        place.set(xlabel="environment steps", ylabel=label)
        place.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    keeping = commands.add_parser("keep")
    keeping.add_argument("folder", type=Path)
    keeping.add_argument("name")
    commands.add_parser("write")
    args = parser.parse_args()
    if args.command == "keep":
        keep(args.folder, args.name)
    else:
        write()


if __name__ == "__main__":
    main()
