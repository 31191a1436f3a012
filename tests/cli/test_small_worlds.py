"""Every command of the guide on small worlds trains, made cheap."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

GUIDE = (Path(__file__).parents[2] / "docs/guides/small-worlds.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ kvzero (train .*)$", GUIDE, re.MULTILINE)
NEEDS = {"minatar": "minatar", "minigrid": "minigrid", "memory": "popgym"}
SMALL = (
    "--device cpu --num-threads 1 --total-env-steps 24 --num-envs 2 --learning-starts 8 --round-env-steps 8 "
    "--batch-size 2 --unroll-steps 3 --bootstrap-steps 2 --embed-dim 16 --num-layers 1 --num-heads 2 "
    "--num-simulations 2 --final-eval-episodes 1 --max-eval-steps 20 --sinks"
)
IMAGES = "--encoder-channels 16"
NAME = ("--run-name", "minigrid-0")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_guide_trains(line, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word for word in shlex.split(line) if word not in NAME]
    if words[1] in NEEDS:
        pytest.importorskip(NEEDS[words[1]])
    images = IMAGES if words[1] in {"minatar", "minigrid"} else ""
    said = command(*words, *f"{SMALL} {images} --run-name small".split())
    assert said.status == 0, said.err
    assert Path("runs/small/summary.json").exists()


def test_the_program_of_the_guide_plays_with_what_its_command_trained(command, tmp_path, monkeypatch):
    pytest.importorskip("minigrid")
    monkeypatch.chdir(tmp_path)
    assert command("train", "minigrid", *NAME, *f"{SMALL} {IMAGES}".split()).status == 0
    (program,) = PROGRAMS
    shown: dict[str, Any] = {}
    exec(program, shown)
    assert shown["action"] in range(7)


def test_the_guide_has_a_command_for_each_of_its_presets():
    listed = set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE))
    assert {shlex.split(line)[1] for line in COMMANDS} == listed == {"minatar", "minigrid", "toytext", "memory"}
