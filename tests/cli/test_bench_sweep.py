"""How a search's cost grows is measured, drawn, and said in words."""

import json
import math

import pytest

from kvzero.cli.bench import sweep
from kvzero.cli.bench.config import SearchBench
from kvzero.cli.bench.sweep import AXES, Sweep, fit_line, measure_sweep, statements

AXES_HERE = {"num_simulations": (2, 3), "num_envs": (1, 2), "context_tokens": (4, 6), "embed_dim": (16, 24)}
FLAGS = ("--num-envs", 2, "--num-simulations", 3, "--embed-dim", 16, "--num-layers", 1, "--support-size", 11)


@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(sweep, "take_turn", lambda searcher, num_searches: [searcher.search()])


def test_a_straight_line_is_found_to_be_straight():
    line = fit_line([2, 4, 8], [6.0, 12.0, 24.0])
    assert (line.power, line.worst_growth, line.r_squared) == pytest.approx((1, 1, 1))
    assert (line.milliseconds_each, line.fixed_milliseconds) == pytest.approx((3, 0))


def test_a_fixed_cost_lowers_the_power_and_a_square_doubles_it():
    fixed = fit_line([1, 2, 4], [11.0, 12.0, 14.0])
    assert fixed.power < 0.2
    assert fixed.worst_growth < 1
    assert (fixed.milliseconds_each, fixed.fixed_milliseconds) == pytest.approx((1, 10))
    square = fit_line([1, 2, 4], [1.0, 4.0, 16.0])
    assert square.power == pytest.approx(2)
    assert square.worst_growth == pytest.approx(4)
    assert square.r_squared < 1


def test_one_bad_step_is_seen_although_the_ends_are_linear():
    assert fit_line([1, 2, 4], [1.0, 5.0, 4.0]).worst_growth == pytest.approx(2.5)


def test_every_size_is_changed_alone(monkeypatch):
    seen = []

    class Costly:
        def __init__(self, config):
            self._config = config
            seen.append(tuple(getattr(config, name) for name in AXES_HERE))

        def search(self):
            return math.prod(getattr(self._config, name) for name in AXES_HERE) / 1000

    monkeypatch.setattr(sweep, "OwnSearch", Costly)
    found = measure_sweep(SearchBench(num_simulations=9, num_envs=5, context_tokens=10, embed_dim=8), AXES_HERE)
    assert seen[:3] == [(2, 5, 10, 8), (3, 5, 10, 8), (9, 1, 10, 8)]
    assert len(seen) == 8
    assert found.lines["num_simulations"].milliseconds == [800, 1200]
    assert found.lines["embed_dim"].power == pytest.approx(1)
    assert found.shape == "num_simulations 9, num_envs 5, context_tokens 10, embed_dim 8, float32"


def test_the_ranges_are_those_that_the_documentation_names():
    assert {name: (min(sizes), max(sizes)) for name, sizes in AXES.items()} == {
        "num_simulations": (8, 200),
        "num_envs": (1, 256),
        "context_tokens": (4, 64),
        "embed_dim": (64, 768),
    }


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
    assert "cannot make the folder" in said.err
