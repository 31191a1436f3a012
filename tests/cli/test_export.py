"""`kvzero export` writes an agent that `kvzero evaluate` plays."""

import json
from dataclasses import replace

import pytest
from tests.training.samples import tiny_config

import kvzero
from kvzero import EnvConfig


@pytest.fixture
def run(tmp_path, no_pictures):
    config = tiny_config(tmp_path, run_name="poles", total_env_steps=8, final_eval_episodes=1, max_eval_steps=5)
    return kvzero.train(replace(config, env=EnvConfig(num_envs=2), sinks=())).run


def test_an_agent_is_exported_and_played(command, tmp_path, run):
    out = tmp_path / "agent.safetensors"
    said = command("export", run, "--out", out, "--licence", "Apache-2.0")
    assert said.status == 0
    assert f"agent in {out}, 0.0" in said.out
    assert str(out.with_suffix(".md")) in said.out
    found = json.loads(command("evaluate", out, "--episodes", "2", "--json").out)
    assert found["episodes"] == 2
    assert found["checkpoint"] == out.name
    assert f"{out}, 1 episodes, 1 cut off\n" in command("evaluate", out, "--episodes", "1").out


def test_the_video_of_an_exported_agent_is_beside_it(command, tmp_path, run):
    command("export", run, "--out", tmp_path / "agent.safetensors")
    said = command("evaluate", tmp_path / "agent.safetensors", "--episodes", "1", "--seed", "3", "--video")
    assert said.status == 0
    assert (tmp_path / "agent-evaluation-seed3.mp4").exists()


def test_a_folder_that_is_no_run_and_a_wrong_name_are_refused(command, tmp_path):
    assert command("export", tmp_path, "--out", tmp_path / "a.safetensors").status == 1
    assert command("export", tmp_path, "--out", tmp_path / "a.txt").status == 2
    assert command("export", tmp_path, "--out", tmp_path / "new" / "a.safetensors").status == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_on_the_way_is_made_and_one_in_the_way_is_refused(command, tmp_path, run):
    assert command("export", run, "--out", tmp_path / "new" / "agent.safetensors").status == 0
    (tmp_path / "b.safetensors").mkdir()
    said = command("export", run, "--out", tmp_path / "b.safetensors")
    assert (said.status, "is a folder; give --out the name of a file" in said.err) == (1, True)
