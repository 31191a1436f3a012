"""How a comparison reaches its folder: `report.json` with everything, `report.html` for people."""

import json
from pathlib import Path

from kvzero.files import write_atomically
from kvzero.records import unstructure
from kvzero.reports.characters import spell
from kvzero.reports.comparison.agreement import compare_curves
from kvzero.reports.comparison.figures import summarise
from kvzero.reports.comparison.page import render_page
from kvzero.reports.comparison.records import Comparison
from kvzero.reports.comparison.verdict import judge

__all__ = ["FORMAT", "write_comparison"]

FORMAT = 1


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write `report.json` and `report.html`, each whole or not at all, and return the path of the page.

    The JSON holds `verdict`, `figures` by variant, `agreements` of training curves, and under `comparison` all that was
    measured.

    Raises:
        RunError: if the folder cannot be written to.
    """
    content = {
        "format": FORMAT,
        "verdict": unstructure(judge(comparison)),
        "figures": unstructure(summarise(comparison)),
        "agreements": unstructure(compare_curves(comparison)),
        "comparison": unstructure(comparison),
    }
    write_atomically(folder / "report.json", (json.dumps(content, allow_nan=False) + "\n").encode())
    page = folder / "report.html"
    write_atomically(page, spell(render_page(comparison), "utf-8").encode())
    return page
