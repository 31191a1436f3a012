"""`kvzero bench codecs` tells what rounding saves and costs in games of a run."""

import json

import pytest


def test_the_command_prints_tables_or_json(command, trained_run, tmp_path):
    flags = ("--num-searches", 3, "--num-timed", 1, "--device", "cpu")
    said = command("bench", "codecs", trained_run, *flags)
    assert said.status == 0
    rows = [line.split()[:2] for line in said.out.splitlines()]
    assert [row for row in rows if row and row[0] in ("none", "float16", "int8")] == [
        ["none", "384"], ["float16", "192"], ["int8", "144"],
        ["none", "root"], ["float16", "root"], ["int8", "root"], ["float16", "node"], ["int8", "node"],
    ]  # fmt: skip
    said = command("bench", "codecs", trained_run, *flags, "--json", "--out", tmp_path / "codecs.json")
    found = json.loads(said.out)
    assert json.loads((tmp_path / "codecs.json").read_text(encoding="utf-8")) == found
    assert (found["num_searches"], len(found["costs"]), len(found["errors"])) == (3, 3, 5)
    assert "machine" in found


@pytest.mark.parametrize(
    ("words", "part"),
    [(["nowhere"], "nowhere is not a folder"), (["nowhere", "--num-searches", 0], "num_searches is 0")],
)
def test_bad_input_is_refused(command, words, part):
    said = command("bench", "codecs", *words)
    assert said.status in (1, 2)
    assert part in said.err
