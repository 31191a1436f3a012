"""How a search's cost grows is measured, one size at a time."""

import math

import pytest

from kvzero.bench import sweep
from kvzero.bench.config import SearchBench
from kvzero.bench.sweep import AXES, fit_line, measure_sweep

AXES_HERE = {"num_simulations": (2, 3), "num_envs": (1, 2), "context_tokens": (4, 6), "embed_dim": (16, 24)}


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
