"""`kvzero bench search` measures what it was asked to."""

import json

import pytest

SHAPE = {
    "num-envs": 3,
    "num-simulations": 4,
    "num-actions": 5,
    "embed-dim": 16,
    "num-layers": 3,
    "num-heads": 2,
    "context-tokens": 6,
    "support-size": 11,
    "num-searches": 2,
}
FLAGS = [word for name, value in SHAPE.items() for word in (f"--{name}", value)]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_the_figures_have_the_names_that_others_rely_on_and_bytes_follow_the_formula(command, dtype, size):
    said = command("bench", "search", "--json", *FLAGS, "--dtype", dtype)
    assert said.status == 0
    found = json.loads(said.out)
    speeds = ("simulations_per_second", "milliseconds_per_simulation", "env_steps_per_second")
    assert all(found[name] > 0 for name in speeds)
    context, simulations, layers, embed = 6, 4, 3, 16
    assert found["kv_bytes_per_env"] == (context + 2 * (simulations + 1)) * 2 * layers * embed * size
    assert found["config"]["num_actions"] == 5
    assert found["simulations_per_second"] == pytest.approx(3000 / found["milliseconds_per_simulation"], rel=0.6)


def test_without_json_the_figures_are_a_table(command):
    said = command("bench", "search", *FLAGS)
    assert said.status == 0
    assert "simulations_per_second " in said.out
