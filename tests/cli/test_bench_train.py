"""`kvzero bench train` tells where the time of a step and of an update goes."""

import json

import pytest
from tests.training.samples import tiny_config


def test_the_command_prints_tables_or_json(command, tmp_path, monkeypatch):
    monkeypatch.setattr("kvzero.cli.bench.train.preset", lambda name: tiny_config(tmp_path))
    flags = ("--num-steps", 2, "--num-updates", 1)
    said = command("bench", "train", *flags)
    assert said.status == 0
    assert all(f" {part} " in said.out for part in ("environment", "search", "backward", "ema"))
    said = command("bench", "train", *flags, "--json", "--out", tmp_path / "train.json")
    found = json.loads(said.out)
    assert json.loads((tmp_path / "train.json").read_text(encoding="utf-8")) == found
    assert found["config"]["preset"] == "cartpole"
    assert set(found["step_milliseconds"]) >= {"environment", "encode", "roots", "search", "replay"}


@pytest.mark.parametrize(
    ("words", "part"),
    [(["--preset", "pong"], "'pong'"), (["--num-steps", 0], "num_steps is 0"), (["--num-threads", 0], "num_threads")],
)
def test_bad_input_is_refused(command, words, part):
    said = command("bench", "train", *words)
    assert said.status == 2
    assert part in said.err
