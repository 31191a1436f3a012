"""`kvzero bench search` measures what it was asked to."""

import importlib
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
    "num-searches": 3,  # odd, so that the median of rates is that of times
}
CONTINUOUS = [word for name, value in SHAPE.items() if name != "num-actions" for word in (f"--{name}", value)]
FLAGS = [word for name, value in SHAPE.items() for word in (f"--{name}", value)]


@pytest.mark.parametrize("engine", ["native", "eager"])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_the_figures_have_the_names_that_others_rely_on_and_bytes_follow_the_formula(command, dtype, size, engine):
    said = command("bench", "search", "--json", *FLAGS, "--dtype", dtype, "--engine", engine)
    assert said.status == 0
    found = json.loads(said.out)
    speeds = ("simulations_per_second", "milliseconds_per_simulation", "env_steps_per_second")
    assert all(found[name] > 0 for name in speeds)
    context, simulations, layers, embed = 6, 4, 3, 16
    assert found["kv_bytes_per_env"] == (context + 2 * (simulations + 1)) * 2 * layers * embed * size
    assert found["config"]["num_actions"] == 5
    assert found["simulations_per_second"] == pytest.approx(3000 / found["milliseconds_per_simulation"], rel=0.01)
    share = found["floor_milliseconds"] / found["milliseconds_per_simulation"]
    assert found["floor_share"] == pytest.approx(share, rel=0.05, abs=1e-3)
    assert found["floor_way"].startswith(("torch", "native"))
    assert found["engine"] == engine
    assert found["peer"] is found["peer_ratio_median"] is None
    assert found["machine"]["processor"]
    assert found["torch"].startswith(found["machine"]["versions"]["torch"])


def test_without_json_the_figures_are_a_table(command):
    said = command("bench", "search", *FLAGS)
    assert said.status == 0
    assert "simulations_per_second " in said.out
    assert "floor_share " in said.out
    assert "peer" not in said.out


def test_continuous_actions_are_measured_by_the_same_command(command):
    said = command("bench", "search", *CONTINUOUS, "--action-dim", "3", "--num-sampled-actions", "4", "--json")
    found = json.loads(said.out)
    assert found["simulations_per_second"] > 0
    assert (found["config"]["action_dim"], found["config"]["num_sampled_actions"]) == (3, 4)


def test_one_pass_is_measured_by_the_same_command(command):
    said = command("bench", "search", *FLAGS, "--engine", "device", "--one-pass", "--json")
    found = json.loads(said.out)
    assert found["simulations_per_second"] > 0
    context, simulations, actions, layers, embed = 6, 4, 5, 3, 16
    assert found["kv_bytes_per_env"] == (context + (1 + actions) * (simulations + 1)) * 2 * layers * embed * 4
    said = command("bench", "search", *FLAGS, "--one-pass")
    assert said.status == 2
    assert "one_pass would have no effect with engine=auto" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--action-dim", "2", "--num-actions", "9"], "num_actions is 9 and action_dim 2"),
        (["--num-sampled-actions", "9"], "numbers are not drawn; add --action-dim"),
        (["--action-dim", "2", "--peer", "mctx"], "mctx is measured with numbered actions only"),
        (["--action-dim", "2", "--num-sampled-actions", "1"], "num_sampled_actions is 1"),
        (["--rule", "gumbel", "--peer", "mctx"], "mctx is measured with the rule puct only"),
    ],
)
def test_actions_of_two_kinds_are_refused(command, words, message):
    said = command("bench", "search", *CONTINUOUS, *words)
    assert said.status == 2
    assert message in said.err


@pytest.mark.parametrize("bench", ["search", "train"])
def test_what_cannot_work_is_refused_before_anything_is_measured(command, tmp_path, bench, monkeypatch):
    def measure(*_: object) -> None:
        raise AssertionError("measured")

    for module, name in (("search", "measure_search"), ("train", "measure_training")):
        monkeypatch.setattr(importlib.import_module(f"kvzero.cli.bench.{module}"), name, measure)
    said = command("bench", bench, "--seed", "-1")
    assert (said.status, "seed is -1; give 0 or more" in said.err) == (2, True)
    said = command("bench", bench, "--out", tmp_path)
    assert f"{tmp_path} is a folder; give --out the name of a file" in said.err
    (tmp_path / "file").touch()
    said = command("bench", bench, "--out", tmp_path / "file" / "figures.json")
    assert f"{tmp_path / 'file'} is a file; choose another --out" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
