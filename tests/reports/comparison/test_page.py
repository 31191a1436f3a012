"""The page shows verdict, tables and charts of whatever was measured, needs nothing else, and opens in a browser."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.reports.comparison.browser import browse, find_browser
from tests.reports.comparison.measured import comparison, identity, run

from kvzero.reports.comparison import Comparison, render_page, write_comparison

TIMES = [9.0, 2.0, 2.1, 1.9, 2.0]
TABLES = {"speed", "memory", "misses", "cache", "agreement", "identity", "facts"}
TAGS_THAT_FETCH = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"}


class Page(HTMLParser):
    """Collects text, tags, ids, and everything that points elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.references += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href", "action")]


@pytest.fixture
def whole() -> Comparison:
    """Return a comparison with everything in it: one variant is slower, one failed, one differs."""
    runs = [
        *(
            run(name, times, seed=seed)
            for seed in (0, 1)
            for name, times in (("tree", TIMES), ("pooled-20-<fifo>", TIMES))
        ),
        *(run("legacy", [1.2 * seconds for seconds in TIMES], seed=seed) for seed in (0, 1)),
        run("pooled-4", TIMES[:2], seed=0, failure="the pool is full"),
    ]
    return comparison(
        {"tree": [], "pooled-20-<fifo>": [], "legacy": [], "pooled-4": []},
        runs=runs,
        identities=[identity("pooled-20-<fifo>", logits=0.25), identity("legacy")],
        unprobed={"pooled-4": "it had failed"},
    )


def read(html: str) -> Page:
    page = Page(html)
    assert set(page.ids) >= TABLES
    assert page.ids.count("verdict") == 1
    assert page.tags.count("svg") == page.tags.count("figure") >= 7
    for shown in (
        "Failed: pooled-4. Different results: pooled-20-<fifo>. Over 5 % slower than another: legacy.",
        "seed 0 failed after 200 steps: the pool is full",
        "20.0 % slower than tree",
        "root logits by up to 0.25",
        "kvzero compare cartpole --out <here>",
        "abacus",
        "recur/hit_rate",
        "as a share of collecting",
        "Return of training games",
    ):
        assert shown in page.text
    return page


def test_the_page_shows_verdict_tables_and_charts_and_fetches_nothing(whole: Comparison) -> None:
    html = render_page(whole)
    page = read(html)
    assert not TAGS_THAT_FETCH & set(page.tags)
    assert page.references == []
    assert not re.search(r"url\(|@import|https?:", html)
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("times", [{"tree": []}, {"tree": [1.0]}, {"tree": [1.0, 2.0], "pooled": []}])
def test_a_page_can_be_made_of_little(times: dict[str, list[float]]) -> None:
    page = Page(render_page(comparison(times)))
    assert {"verdict", "speed", "facts"} <= set(page.ids)


def test_a_lap_in_which_nothing_was_left_to_do_is_passed_over() -> None:
    whole = run("tree", [1.0, 2.0])
    idle = replace(whole.turns[1], lap=2, num_env_steps=0, num_updates=0, collect_seconds=0.0, update_seconds=0.0)
    html = render_page(comparison({"tree": []}, runs=[replace(whole, turns=(*whole.turns, idle))]))
    (speeds,) = [figure for figure in html.split("<figure") if "<figcaption>Environment steps per second<" in figure]
    assert speeds.count("<circle") == 2


def test_whatever_is_shown_is_escaped(whole: Comparison) -> None:
    command = "kvzero compare <script>alert('x')</script> & \"more\""
    html = render_page(replace(whole, preset="<b>", command=command))
    page = Page(html)
    assert not {"script", "b"} & set(page.tags)
    assert command in page.text
    assert "<b>: tree, pooled-20-<fifo>, legacy, pooled-4" in page.text


def test_every_chart_is_one_piece_of_markup(whole: Comparison) -> None:
    charts = re.findall(r"<svg.*?</svg>", render_page(whole), flags=re.DOTALL)
    assert len(charts) >= 7
    assert "pooled-20-<fifo>, seed 0" in {
        node.text for chart in charts for node in ElementTree.fromstring(chart).iter("title")
    }


def test_a_chart_without_points_says_so() -> None:
    assert "nothing was measured" in Page(render_page(comparison({"tree": []}))).text


def test_every_line_of_a_run_is_in_its_chart(whole: Comparison) -> None:
    html = render_page(whole)
    (losses,) = [figure for figure in html.split("<figure") if "<figcaption>Loss<" in figure]
    assert losses.count("<polyline") == len(whole.runs)
    assert "<title>legacy, seed 1</title>" in losses


def test_the_folder_gets_a_report_for_people_and_one_for_programs(whole: Comparison, tmp_path: Path) -> None:
    assert write_comparison(tmp_path, whole) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_page(whole)
    found = json.loads((tmp_path / "report.json").read_text())
    assert set(found) == {"format", "verdict", "figures", "agreements", "comparison"}
    assert [finding["kind"] for finding in found["verdict"]["findings"]] == ["failed", "differs", "slower", "unknown"]
    assert found["comparison"]["runs"][0]["turns"][2]["collect_seconds"] == 0.75 * TIMES[2]
    assert found["figures"][0]["env_steps_per_second"]["median"] == 50.0


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed (apt-get install chromium)")
def test_a_real_browser_shows_the_page_without_a_network(whole: Comparison, tmp_path: Path) -> None:
    path = write_comparison(tmp_path, whole)
    dom = browse(path, tmp_path / "profile", "--dump-dom")
    page = read(dom)
    assert page.references == []
    assert dom.count("<polyline") == render_page(whole).count("<polyline")
