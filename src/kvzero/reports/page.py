"""The report of a run: one HTML file that needs nothing else."""

import json
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kvzero.errors import RunError
from kvzero.files import write_atomically
from kvzero.reports.characters import spell
from kvzero.reports.rendering import render
from kvzero.reports.sinks import read_metrics
from kvzero.reports.speedup import WorkShares, describe_speedup
from kvzero.reports.summary import SUMMARY_FILE, Summary, read_summary

__all__ = ["write_report"]

Rows = list[tuple[str, str]]
"""Names, and what is shown beside them."""


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run's folder and return its path: summary, curves, configuration and versions.

    Everything is inside the one file. A run that has not ended has no summary yet; the rest is shown.

    Raises:
        RunError: if the folder has no metrics, holds a damaged file, or cannot be written to.
    """
    has_summary = (run_dir / SUMMARY_FILE).exists()
    summary = read_summary(run_dir) if has_summary else None
    config = _read_config(run_dir / "config.json")
    page = render(
        "run",
        title=run_dir.resolve().name,
        summary=summary,
        tiles=_tiles(summary) if summary else (),
        figures=_figures(summary) if summary else (),
        speedup=_speedup(summary) if summary else None,
        curves=_curves(run_dir),
        settings=_settings("", config),
        caveat=_caveat(config),
    )
    path = run_dir / "report.html"
    write_atomically(path, spell(page, "utf-8").encode())
    return path


def _read_config(path: Path) -> dict[str, Any]:
    """Return the run's configuration; empty if the folder has none."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is no configuration ({error}); restore it before writing a report") from error


def _caveat(config: dict[str, Any]) -> str | None:
    """Return what a reader has to know of how the run's predictions were made; nothing where they were exact."""
    codec = config.get("agent", {}).get("cache", {}).get("pool_codec", "none")
    if codec == "none":
        return None
    return f"Contexts were kept as {codec}, which rounds them: predictions in search were not exact."


def _tiles(summary: Summary) -> Rows:
    """Return the figures that matter first, each with what it is."""
    return [
        ("mean evaluation return", f"{summary.eval_return_mean:,.1f}"),
        ("environment steps", f"{summary.env_steps:,}"),
        ("updates", f"{summary.updates:,}"),
        *([("dose", f"{summary.dose:,.0f}")] if summary.dose is not None else []),
        ("minutes", f"{summary.wall_seconds / 60:,.1f}"),
        ("steps per second", f"{summary.env_steps_per_second:,.1f}"),
        ("peak memory", f"{summary.peak_rss_bytes / 1e9:,.2f} GB"),
    ]


def _figures(summary: Summary) -> Rows:
    """Return all figures of a summary; its versions have a table of their own."""
    return [(name, _readable(figure)) for name, figure in asdict(summary).items() if name != "versions"]


def _speedup(summary: Summary) -> str | None:
    """Return what more processes could have gained; nothing where that is not known."""
    if summary.collect_share is None:
        return None
    work = WorkShares(collect=summary.collect_share, reanalyse=summary.reanalyse_share or 0.0)
    return f"{describe_speedup(work, num_collectors=summary.collectors or 0)}."


def _curves(run_dir: Path) -> Rows:
    """Return the learning curve, open-loop errors by depth, and all other figures over steps, as images in base 64."""
    from kvzero.reports.pictures.plots import draw_open_loop, draw_others, draw_returns, png  # noqa: PLC0415  # slow to import

    metrics = read_metrics(run_dir)
    drawn = {
        "learning curve": draw_returns(metrics, title="Returns"),
        "open-loop errors": draw_open_loop(metrics),
        "other figures": draw_others(metrics),
    }
    return [(name, b64encode(png(figure)).decode()) for name, figure in drawn.items() if figure]


def _settings(part: str, config: dict[str, Any]) -> list[tuple[str, Rows]]:
    """Return the settings of each part of a configuration, the whole run's own first, by the part's dotted name."""
    own = [(name, _readable(value)) for name, value in config.items() if not isinstance(value, dict)]
    parts = [(part or "run", own)] if own else []
    for name, value in config.items():
        if isinstance(value, dict):
            parts += _settings(f"{part}.{name}".lstrip("."), value)
    return parts


def _readable(value: Any) -> str:
    """Return a value as a person would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_readable(item) for item in value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
