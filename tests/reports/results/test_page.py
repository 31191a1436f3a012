"""The page of a report opens in a real browser, shows its charts and tables, and stays within the window."""

from pathlib import Path

import pytest
from tests.inspector.browser import Browser
from tests.reports.comparison.browser import find_browser
from tests.reports.results.runs import TASK, result

from kvzero.reports.results import Marks, Results, Skipped, write_results
from kvzero.reports.results.marks import Mark, Note

RUNS = (
    result(0.25, 0),
    result(0.5, 1),
    result(300.0, 1, task="CartPole-v1", preset="cart<pole"),
    result(310.0, 1, task="CartPole-v1", preset="cart<pole"),
)
MARKS = Marks(
    heading=("Nothing of this was run.",),
    marks=(Mark(task=TASK, seeds=3, at_least=0.375, note="One seed is <missing>."), Mark(task="Ladder-v0", seeds=1)),
    notes=(Note(task="CartPole-v1", text="The pole fell."),),
)

VISIBLE = """[...document.querySelectorAll("polyline")].filter((line) => {
  const box = line.getBoundingClientRect(), chart = line.closest("svg").getBoundingClientRect();
  return box.width > 50 && box.left >= chart.left && box.right <= chart.right && box.bottom <= chart.bottom;
}).length"""


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed (apt-get install chromium)")
def test_a_real_browser_shows_the_page_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("rliable", exc_type=ImportError)
    out = tmp_path / "results.html"
    write_results(Results(RUNS, (Skipped("runs/lost", "it has no summary"),)), [out], title="Learnt", marks=MARKS)
    with Browser(tmp_path / "profile") as page:
        page.open(out)
        assert page.evaluate("[...document.querySelectorAll('h2')].map((title) => title.innerText)") == [
            "Marks", "Overview", TASK, "CartPole-v1", "Left out",
        ]  # fmt: skip
        shown = page.evaluate("document.body.innerText")
        assert page.evaluate(VISIBLE) == len(RUNS) + 1
        assert page.evaluate("document.querySelectorAll('polygon').length") == 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0
        assert page.complaints == []
    for said in (
        "Nothing of this was run.", f"{TASK}: One seed is <missing>.", "reached; 2 of 3 seeds", "not run",
        "The pole fell.", "cart<pole", "seed 1 was run 2 times", "runs/lost",
    ):  # fmt: skip
        assert said in shown
