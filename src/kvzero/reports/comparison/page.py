"""The page of a comparison: one HTML file that needs nothing else, in light and dark."""

from html import escape

from kvzero.reports.comparison.agreement import compare_curves
from kvzero.reports.comparison.bars import ratio_charts
from kvzero.reports.comparison.charts import cache_charts, legend, memory_chart, speed_charts, training_charts
from kvzero.reports.comparison.figures import VariantFigures, summarise, warmed_up
from kvzero.reports.comparison.records import Comparison
from kvzero.reports.comparison.tables import (
    agreement_table,
    cache_table,
    facts_table,
    identity_table,
    memory_table,
    miss_table,
    speed_table,
)
from kvzero.reports.comparison.verdict import Verdict, judge

__all__ = ["render_page"]

STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --soft: #59636e; --line: #d8dee4; --page: #ffffff; --card: #f6f8fa;
  --bad: #b3261e; --good: #1a7f37; --warn: #9a6700;
  --c0: #0b62c4; --c1: #d1570c; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #7d6608 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #3d444d; --page: #0d1117;
  --card: #161b22; --bad: #ff7b72; --good: #56d364; --warn: #e3b341;
  --c0: #58a6ff; --c1: #ffa657; --c2: #56d364; --c3: #bc8cff; --c4: #f778ba; --c5: #d4c05a } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
.soft { color: var(--soft) }
#verdict { background: var(--card); border: 1px solid var(--line); border-left: 6px solid var(--good);
  border-radius: 8px; padding: .8rem 1.2rem; margin: 1.5rem 0 }
#verdict.named { border-left-color: var(--bad) } #verdict p { font-size: 1.15rem; font-weight: 600; margin: 0 }
#verdict ul { margin: .6rem 0 0; padding-left: 1.2rem } #verdict .kind { font-weight: 600; color: var(--bad) }
#verdict .unknown { color: var(--warn) }
.legend span { margin-right: 1.4rem; white-space: nowrap }
.legend i { display: inline-block; width: 1.4rem; height: .3rem; margin-right: .4rem; vertical-align: middle;
  background: currentColor; border-radius: 2px }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2rem }
figure { margin: 1.2rem 0 0 } figure.wide { max-width: 48rem } figcaption { font-weight: 600; font-size: .95rem }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
svg text.limit { fill: var(--bad) } svg .grid { stroke: var(--line); stroke-width: 1 }
svg line.limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3 }
svg polyline { fill: none; stroke: currentColor; stroke-linejoin: round } svg circle { fill: currentColor }
svg .whisker { stroke: currentColor; stroke-width: 3; stroke-linecap: round; opacity: .55 }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .88rem }
th { text-align: right; font-weight: 600; color: var(--soft) }
td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { border-bottom: 1px solid var(--line); padding: .3rem 0 .3rem 1.5rem }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
#facts td { text-align: left; white-space: normal; overflow-wrap: anywhere }
""" + "".join(f".c{index} {{ color: var(--c{index}) }}\n" for index in range(6))


def render_page(comparison: Comparison) -> str:
    """Return the whole HTML document: verdict, speed, memory, cache, training curves, identity and facts."""
    title = f"{comparison.preset}: {', '.join(variant.name for variant in comparison.variants)}"
    figures = summarise(comparison)
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            f'<p class="soft">{escape(_scope(comparison))}</p>',
            _verdict(judge(comparison)),
            legend(comparison),
            _speed(comparison, figures),
            _section("Memory", memory_table(figures), memory_chart(comparison)),
            _cache(comparison, figures),
            _training(comparison),
            _identity(comparison),
            _section("How it was measured", facts_table(comparison)),
        ]
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _scope(comparison: Comparison) -> str:
    seeds = ", ".join(str(seed) for seed in comparison.seeds)
    return (
        f"{comparison.env_steps:,} environment steps, seeds {seeds}, {comparison.num_laps} laps; {comparison.started}"
    )


def _verdict(verdict: Verdict) -> str:
    items = "".join(
        f'<li><span class="kind {finding.kind}">{finding.kind}</span> {escape(finding.variant)}: '
        f"{escape(finding.text)}</li>"
        for finding in verdict.findings
    )
    named = ' class="named"' if any(finding.kind != "unknown" for finding in verdict.findings) else ""
    listed = f"<ul>{items}</ul>" if items else ""
    return f'<section id="verdict"{named}><p>{escape(verdict.sentence)}</p>{listed}</section>'


def _section(title: str, content: str, charts: str = "", *, note: str = "") -> str:
    noted = f'<p class="soft">{escape(note)}</p>' if note else ""
    drawn = f'<div class="charts">{charts}</div>' if charts else ""
    return f"<h2>{escape(title)}</h2>\n{noted}{content}\n{drawn}"


def _speed(comparison: Comparison, figures: tuple[VariantFigures, ...]) -> str:
    left_out = "Lap 0, in which code is compiled, is left out. " if warmed_up(comparison) else ""
    note = f"{left_out}Medians; in brackets, and as bars, from the tenth to the ninetieth percentile."
    return _section("Speed", speed_table(figures) + ratio_charts(comparison), speed_charts(comparison), note=note)


def _cache(comparison: Comparison, figures: tuple[VariantFigures, ...]) -> str:
    content = miss_table(figures) + cache_table(figures)
    if not content:
        return _section("Cache", "<p>None of these stores counts hits and misses.</p>")
    note = "At the end of the runs, means over seeds. A store that has nothing to count has no entry."
    return _section("Cache", content, cache_charts(comparison), note=note)


def _training(comparison: Comparison) -> str:
    note = (
        "One line for each variant and seed; later variants are drawn thinner, on top. Exact stores train alike "
        "until rounding turns a search where two actions are as good as equal; from then on the curves part."
    )
    return _section("Training", agreement_table(compare_curves(comparison)), training_charts(comparison), note=note)


def _identity(comparison: Comparison) -> str:
    content = identity_table(comparison.identities)
    if not content:
        return _section("Numerical identity", "<p>It was not measured.</p>")
    note = (
        "Largest differences between the plans that variants make for one recorded stream of observations, with the "
        "same weights and without exploration. In float32 rounding can turn a search; in float64 it cannot."
    )
    return _section("Numerical identity", content, note=note)
