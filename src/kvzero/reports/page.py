"""The report of a run: one HTML file that needs nothing else."""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from kvzero.errors import RunError
from kvzero.reports.atomic import write_atomically
from kvzero.reports.metrics import read_metrics
from kvzero.reports.summary import SUMMARY_FILE, Summary, read_summary

__all__ = ["write_report"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #24292f; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dee4 }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0 }
.tile { border: 1px solid #d8dee4; border-radius: 8px; padding: .6rem 1rem; min-width: 8rem }
.tile b { display: block; font-size: 1.4rem; color: #0b62c4 }
img { max-width: 100% } table { border-collapse: collapse; font-size: .9rem }
td { border-bottom: 1px solid #d8dee4; padding: .2rem 1.5rem .2rem 0; font-variant-numeric: tabular-nums }
"""


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run's folder and return its path: summary, curves, configuration and versions.

    Everything is inside the one file. A run that has not ended has no summary yet; the rest is shown.

    Raises:
        RunError: if the folder has no metrics, holds a damaged file, or cannot be written to.
    """
    has_summary = (run_dir / SUMMARY_FILE).exists()
    summary = read_summary(run_dir) if has_summary else None
    config = _read_config(run_dir / "config.json")
    body = [
        f"<h1>{escape(run_dir.resolve().name)}</h1>",
        _summary_section(summary) if summary else "<p>This run has not ended; it has no summary yet.</p>",
        _curves_section(run_dir),
        _table_section("Configuration", _flat(config)),
        _table_section("Versions", summary.versions.items() if summary else ()),
    ]
    path = run_dir / "report.html"
    write_atomically(path, _page(run_dir.resolve().name, "\n".join(body)).encode())
    return path


def _page(title: str, body: str) -> str:
    """Return a whole HTML document."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _read_config(path: Path) -> dict[str, Any]:
    """Return the run's configuration; empty if the folder has none."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is no configuration ({error}); restore it before writing a report") from error


def _summary_section(summary: Summary) -> str:
    """Show the figures that matter first, all of them below."""
    tiles = {
        "mean evaluation return": f"{summary.eval_return_mean:,.1f}",
        "environment steps": f"{summary.env_steps:,}",
        "updates": f"{summary.updates:,}",
        "minutes": f"{summary.wall_seconds / 60:,.1f}",
        "steps per second": f"{summary.env_steps_per_second:,.1f}",
        "peak memory": f"{summary.peak_rss_bytes / 1e9:,.2f} GB",
    }
    shown = "".join(f'<div class="tile"><b>{figure}</b>{label}</div>' for label, figure in tiles.items())
    figures = [(name, figure) for name, figure in asdict(summary).items() if name != "versions"]
    return f'<p>{escape(summary.preset)}, seed {summary.seed}</p>\n<div class="tiles">{shown}</div>\n' + _table_section(
        "Summary", figures
    )


def _curves_section(run_dir: Path) -> str:
    """Show the learning curve, and every other figure over environment steps."""
    from kvzero.reports.plots import draw_others, draw_returns, png  # noqa: PLC0415  # matplotlib is slow to import

    metrics = read_metrics(run_dir)
    figures = {"learning curve": draw_returns(metrics, title="Returns"), "other figures": draw_others(metrics)}
    images = [
        f'<p><img alt="{name}" src="data:image/png;base64,{b64encode(png(figure)).decode()}"></p>'
        for name, figure in figures.items()
        if figure
    ]
    return "\n".join(["<h2>Curves</h2>", *images])


def _table_section(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """Show names and values in two columns; nothing if there are none."""
    lines = [f"<tr><td>{escape(name)}</td><td>{escape(_readable(value))}</td></tr>" for name, value in rows]
    return f"<h2>{title}</h2>\n<table>\n" + "\n".join(lines) + "\n</table>" if lines else ""


def _readable(value: Any) -> str:
    """Return a value as a person would write it."""
    if isinstance(value, list | tuple):
        return ", ".join(_readable(item) for item in value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _flat(config: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the settings of nested configurations, each with its dotted name."""
    rows: list[tuple[str, Any]] = []
    for name, value in config.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return rows
