"""What a comparison of runs shows: records of what was measured, figures, the verdict and the page."""

from kvzero.reports.comparison.agreement import Agreement, compare_curves
from kvzero.reports.comparison.figures import VariantFigures, ratios, summarise
from kvzero.reports.comparison.files import write_comparison
from kvzero.reports.comparison.page import render_page
from kvzero.reports.comparison.records import Comparison, Ended, Identity, MeasuredRun, Turn, Variant
from kvzero.reports.comparison.spread import Spread, spread
from kvzero.reports.comparison.verdict import Finding, Verdict, judge

__all__ = [
    "Agreement",
    "Comparison",
    "Ended",
    "Finding",
    "Identity",
    "MeasuredRun",
    "Spread",
    "Turn",
    "Variant",
    "VariantFigures",
    "Verdict",
    "compare_curves",
    "judge",
    "ratios",
    "render_page",
    "spread",
    "summarise",
    "write_comparison",
]
