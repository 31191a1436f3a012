"""`kvzero bench search --sweep` draws how a search's cost grows, and says it in words."""

import json

import pytest

from kvzero.bench import sweep
from kvzero.bench.sweep import Sweep, fit_line
from kvzero.cli.bench.search import statements

AXES_HERE = {"num_simulations": (2, 3), "num_envs": (1, 2), "context_tokens": (4, 6), "embed_dim": (16, 24)}
FLAGS = ("--num-envs", 2, "--num-simulations", 3, "--embed-dim", 16, "--num-layers", 1, "--support-size", 11)


@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(sweep, "take_turn", lambda searcher, num_searches: [searcher.search()])


def test_words_name_the_size_its_range_and_its_power():
    (sentence,) = statements(Sweep("", {"num_envs": fit_line([2, 8], [3.0, 12.0])}))
    assert sentence.startswith("num_envs from 2 to 8: cost grows with its power 1.00, at most 1.00 times")


def test_a_sweep_is_drawn_and_its_numbers_stand_in_the_json(command, tmp_path, monkeypatch, short_turns):
    monkeypatch.setattr(sweep, "AXES", AXES_HERE)
    plot, out = tmp_path / "new" / "sweep.png", tmp_path / "sweep.json"
    said = command("bench", "search", "--num-searches", 1, "--sweep", plot, "--out", out, *FLAGS)
    assert said.status == 0
    assert "num_envs from 1 to 2: cost grows" in said.out
    assert plot.read_bytes().startswith(b"\x89PNG")
    lines = json.loads(out.read_text(encoding="utf-8"))["sweep"]
    assert {name: tuple(line["sizes"]) for name, line in lines.items()} == AXES_HERE
    assert all(cost > 0 for line in lines.values() for cost in line["milliseconds"])


def test_a_plot_that_cannot_be_written_is_refused(command, tmp_path, monkeypatch, short_turns):
    monkeypatch.setattr(sweep, "AXES", AXES_HERE)
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = command("bench", "search", "--num-searches", 1, "--sweep", tmp_path / "file" / "sweep.png", *FLAGS)
    assert said.status == 1
    assert f"{tmp_path / 'file'} is a file; choose another --sweep" in said.err
