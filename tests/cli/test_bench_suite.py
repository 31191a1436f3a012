"""The suite measures the documented shapes and writes one table."""

import json
from dataclasses import dataclass

import pytest

from kvzero.bench import CASES
from kvzero.cli.bench import suite
from kvzero.cli.bench.suite import table

FIGURES = {
    "simulations_per_second": 12345.6,
    "peer_simulations_per_second": 5000.4,
    "peer_dtype": "float32",
    "peer_ratio_median": 2.468,
    "peer_ratio_min": 2.1,
    "peer_ratio_max": 2.75,
    "floor_milliseconds": 0.0567,
    "floor_way": "XLA",
    "floor_share": 0.613,
    "kv_bytes_per_env": 61440,
}


@dataclass
class Measured:
    """What a measurement would return, had it been made."""

    simulations_per_second: float
    peer_simulations_per_second: float
    peer_dtype: str
    peer_ratio_median: float
    peer_ratio_min: float
    peer_ratio_max: float
    floor_milliseconds: float
    floor_way: str
    floor_share: float
    kv_bytes_per_env: int


def test_the_suite_writes_figures_and_a_table(command, tmp_path, monkeypatch):
    asked = []

    def measure(config):
        asked.append(config)
        return Measured(**FIGURES)

    monkeypatch.setattr(suite, "measure_search", measure)
    said = command("bench", "suite", "--out", tmp_path / "bench", "--num-pairs", 3, "--num-threads", 1)
    assert said.status == 0
    assert len(asked) == len(CASES)
    assert {(each.peer, each.num_pairs, each.num_threads) for each in asked} == {("mctx", 3, 1)}
    found = json.loads((tmp_path / "bench" / "suite.json").read_text(encoding="utf-8"))
    assert [case["config"]["num_envs"] for case in found["cases"]] == [case["num_envs"] for case in CASES]
    assert found["machine"]["versions"]["torch"]
    text = (tmp_path / "bench" / "suite.md").read_text(encoding="utf-8")
    assert text == said.out == table(found["cases"])
    assert "| 8, 768, heads of 4 E | bfloat16 |" in text


def test_a_suite_that_was_cut_short_is_resumed(command, tmp_path, monkeypatch):
    asked = []

    def measure(config):
        asked.append(config)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return Measured(**FIGURES)

    monkeypatch.setattr(suite, "measure_search", measure)
    flags = ("bench", "suite", "--out", tmp_path, "--resume", "--num-rows", 4, "--engine", "device", "--one-pass")
    command(*flags)
    assert len(asked) == 3
    assert command(*flags).status == 0
    assert len(asked) == 3 + 2
    assert {(each.engine, each.one_pass) for each in asked} == {("device", True)}
    held = json.loads((tmp_path / "suite.json").read_text(encoding="utf-8"))
    assert [case["config"]["num_envs"] for case in held["cases"]] == [case["num_envs"] for case in CASES[:4]]
    assert command(*flags).status == 0
    assert len(asked) == 5
    held["device_name"] = "another card"
    (tmp_path / "suite.json").write_text(json.dumps(held), encoding="utf-8")
    command(*flags)
    command(*flags[:-1])
    assert len(asked) == 5 + 4 + 4


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"torch": "2", "cases": 3}'])
def test_figures_that_cannot_be_gone_on_with_are_named_and_kept(command, tmp_path, content):
    path = tmp_path / "suite.json"
    path.write_text(content, encoding="utf-8")
    said = command("bench", "suite", "--out", tmp_path, "--resume", "--num-rows", 1)
    assert said.status == 1
    assert f"{path} holds no rows of a suite" in said.err
    assert path.read_text(encoding="utf-8") == content


def test_a_row_of_the_table_rounds_and_names_what_the_figures_depend_on():
    config = {"num_envs": 8, "embed_dim": 64, "head_expansion": 1, "dtype": "float32"}
    head, rule, line = table([{**FIGURES, "config": config}]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    assert line == "| 8, 64 | float32 | 12,346 | 5,000 (float32) | 2.47 (2.10 to 2.75) | 0.057 (XLA) | 61% | 61,440 |"


@pytest.mark.parametrize("flag", ["--num-threads", "--num-pairs", "--num-rows"])
def test_nothing_is_measured_with_nothing(command, flag):
    said = command("bench", "suite", flag, 0)
    assert said.status == 2
    assert "is 0" in said.err
