"""A report is the same in every kind of file, and can be read back from JSON."""

import csv
import json
import sys
import xml.etree.ElementTree as ET

import pytest
from tests.reports.results.runs import TASK, result

from kvzero.errors import ConfigError, RunError
from kvzero.reports.results import Results, Skipped, read_results_file, write_results

RUNS = (
    result(0.25, 0),
    result(0.5, 1),
    result(0.75, 2),
    result(-0.5, 0, context_tokens=2),
    result(300.0, 1, task="CartPole-v1", preset="cart<pole"),
    result(310.0, 1, task="CartPole-v1", preset="cart<pole"),
)
RESULTS = Results(RUNS, (Skipped("runs/lost", "it has no summary"),))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("rliable", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("report")
    outs = [folder / f"results{end}" for end in (".html", ".md", ".json", ".csv")]
    write_results(RESULTS, outs, title="What was <learnt>")
    return folder


@pytest.fixture(scope="module")
def groups(written):
    content = json.loads((written / "results.json").read_text())
    return {(found["task"], found["setting"]): found for found in content["groups"]}


def test_a_group_has_aggregates_with_intervals_normalised_too(groups):
    found = groups[TASK, "memory, context_tokens 32"]
    assert found["returns"]["mean"]["value"] == pytest.approx(0.5)
    assert 0.25 <= found["returns"]["mean"]["low"] < 0.5 < found["returns"]["mean"]["high"] <= 0.75
    assert found["normalised"]["mean"]["value"] == pytest.approx((0.5 + 0.5) / 1.5)
    assert found["normalised"]["optimality gap"]["value"] == pytest.approx(1 - 1.0 / 1.5)
    assert found["published"][0]["agent"] == "without memory"


def test_two_runs_of_one_seed_have_no_interval_and_all_documents_say_why(written, groups):
    found = groups["CartPole-v1", "cart<pole"]
    assert "seed 1 was run 2 times" in found["objection"]
    assert found["returns"]["mean"] == {"value": 305.0, "low": None, "high": None}
    for name in ("results.html", "results.md"):
        assert "seed 1 was run 2 times" in (written / name).read_text()


def test_the_band_of_a_chart_is_there_where_seeds_may_be_joined(written):
    memory, cartpole = ((written / f"results-{number}.svg").read_text() for number in (1, 2))
    assert (memory.count("<polygon"), cartpole.count("<polygon")) == (1, 0)
    assert (memory.count("<polyline"), cartpole.count("<polyline")) == (5, 2)
    for drawn in (memory, cartpole):
        ET.fromstring(drawn)


def test_the_page_shows_what_it_is_given_as_it_is(written):
    page = (written / "results.html").read_text()
    assert "<h1>What was &lt;learnt&gt;</h1>" in page
    assert "cart&lt;pole" in page
    assert "runs/lost" in page
    assert "https://" not in page


def test_the_markdown_names_its_charts_and_commands(written):
    text = (written / "results.md").read_text()
    assert text.startswith("# What was \\<learnt\\>\n")
    assert "](results-1.svg)" in text
    assert "$ kvzero train memory --seed 2\n" in text
    assert "| context\\_tokens | 32 | 2 |" in text


def test_the_table_has_a_row_for_each_run(written):
    with (written / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["task"], row["seed"]) for row in rows] == [(run.task, str(run.seed)) for run in RUNS]
    assert float(rows[0]["normalised"]) == pytest.approx(0.5)
    assert rows[-1]["normalised"] == ""


def test_runs_come_back_from_json_as_they_went(written):
    assert read_results_file(written / "results.json") == RUNS


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"format": 9, "runs": []}', '{"format": 1, "runs": [{"seed": 1}]}']
)
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(RunError, match=r"other\.json"):
        read_results_file(tmp_path / "other.json")


def test_a_kind_that_cannot_be_written_and_a_report_of_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.html"):
        write_results(RESULTS, [tmp_path / "results.pdf"], title="")
    with pytest.raises(RunError, match="runs/lost: it has no summary"):
        write_results(Results((), RESULTS.skipped), [tmp_path / "results.md"], title="")


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rliable", None)
    with pytest.raises(ConfigError, match=r"kvzero\[report\]"):
        write_results(RESULTS, [tmp_path / "results.md"], title="")
