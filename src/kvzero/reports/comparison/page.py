"""The page of a comparison: one HTML file that needs nothing else, in light and dark."""

from kvzero.reports.comparison.agreement import compare_curves
from kvzero.reports.comparison.bars import ratio_charts
from kvzero.reports.comparison.charts import cache_charts, memory_chart, speed_charts, training_charts
from kvzero.reports.comparison.figures import cold_laps, summarise
from kvzero.reports.comparison.records import Comparison
from kvzero.reports.comparison.tables import (
    agreement_table,
    cache_table,
    facts,
    identity_table,
    memory_table,
    miss_table,
    speed_table,
)
from kvzero.reports.comparison.verdict import judge
from kvzero.reports.drawing.lines import NUM_COLOURS
from kvzero.reports.rendering import render

__all__ = ["render_page"]


def render_page(comparison: Comparison) -> str:
    """Return the whole HTML document: verdict, speed, memory, cache, training curves, identity and facts."""
    figures = summarise(comparison)
    return render(
        "comparison",
        title=f"{comparison.preset}: {', '.join(variant.name for variant in comparison.variants)}",
        num_colours=NUM_COLOURS,
        comparison=comparison,
        verdict=judge(comparison),
        has_warmed_up=bool(cold_laps(comparison)),
        speed=speed_table(figures),
        ratio_charts=ratio_charts(comparison),
        speed_charts=speed_charts(comparison),
        memory=memory_table(figures),
        memory_chart=memory_chart(comparison),
        misses=miss_table(figures),
        cache=cache_table(figures),
        cache_charts=cache_charts(comparison),
        agreement=agreement_table(compare_curves(comparison)),
        training_charts=training_charts(comparison),
        identity=identity_table(comparison.identities),
        how=facts(comparison),
    )
