"""`kvzero evaluate` plays, tells, and films."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from tests.training.samples import tiny_config

import kvzero
from kvzero.cli.evaluate import Evaluate
from kvzero.cli.parse import parse

AGENT = Path(__file__).parents[2] / "agents/cartpole.safetensors"


def test_the_returns_are_told_as_json(command, trained_run):
    said = command("evaluate", trained_run, "--episodes", "3", "--seed", "2", "--json", "--device", "cpu")
    assert said.status == 0
    found = json.loads(said.out)
    assert found["eval_return_mean"] == pytest.approx(sum(found["eval_returns"]) / 3)
    assert len(found["eval_returns"]) == found["episodes"] == 3
    assert found["checkpoint"] == "step_0000000040_0000000007"
    assert found["eval_cut_games"] == 0
    assert found["video"] is None


@pytest.mark.parametrize("episodes", [1, 2])
def test_the_returns_are_told_in_words(command, trained_run, episodes):
    said = command("evaluate", trained_run, "--episodes", episodes, "--num-simulations", "2")
    assert said.status == 0
    assert f"{trained_run}, checkpoint step_0000000040_0000000007, {episodes} episodes\n" in said.out
    assert ("±" in said.out) == (episodes > 1)
    assert "nan" not in said.out


@pytest.fixture
def endless_run(tmp_path, no_pictures):
    """Return a run whose games never end, so that each of its two environments plays one game, which is cut off."""
    schedule = {"total_env_steps": 4, "final_eval_episodes": 1, "num_eval_envs": 2, "max_eval_steps": 5}
    return kvzero.train(tiny_config(tmp_path, run_name="endless", environment="Endless", **schedule)).run


def test_games_that_were_not_played_are_not_told_of_and_those_cut_off_are_counted(command, endless_run):
    found = json.loads(command("evaluate", endless_run, "--episodes", "6", "--json").out)
    assert len(found["eval_returns"]) == found["episodes"] == found["eval_cut_games"] == 2
    assert ", 2 of 6 episodes, 2 cut off\n" in command("evaluate", endless_run, "--episodes", "6").out
    assert ", 2 episodes, 2 cut off\n" in command("evaluate", endless_run, "--episodes", "2").out


def test_a_video_is_written_into_the_run(command, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "filmed")
    said = command("evaluate", run, "--episodes", "1", "--video")
    assert said.status == 0
    video = run / "videos" / "evaluation-seed0.mp4"
    assert str(video) in said.out
    assert b"ftyp" in video.read_bytes()[:16]


def test_without_its_packages_a_video_is_refused_before_anything_is_played(command, trained_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    said = command("evaluate", trained_run, "--episodes", "1", "--video")
    assert said.status == 2
    assert 'pip install "kvzero[video]"' in said.err


@pytest.mark.parametrize("flags", [[], ["--video"]])
def test_a_folder_that_is_no_run_is_refused_and_not_made(command, tmp_path, flags):
    said = command("evaluate", tmp_path / "nowhere", *flags)
    assert said.status == 1
    assert "nowhere" in said.err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_video_that_cannot_be_written_is_told_of_and_the_figures_come_all_the_same(
    command, trained_run, tmp_path, caplog, flags
):
    run = shutil.copytree(trained_run, tmp_path / "filmed")
    (run / "videos").touch()
    said = command("evaluate", run, "--episodes", "1", "--video", *flags)
    assert said.status == 0
    assert "return" in said.out
    assert "evaluation-seed0.mp4" not in said.out
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"the video failed (RunError: {run / 'videos' / 'evaluation-seed0.mp4'} cannot be written")


@pytest.mark.parametrize(
    ("flag", "value", "status"), [("--num-simulations", 0, 2), ("--device", "cuda:9", 2), ("--seed", -1, 2)]
)
def test_values_that_cannot_work_are_refused(command, trained_run, flag, value, status):
    assert command("evaluate", trained_run, flag, value).status == status


def test_a_checkpoint_whose_agent_is_torn_is_named(command, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "torn")
    path = sorted((run / "checkpoints").iterdir())[-1] / "agent.json"
    path.write_bytes(path.read_bytes()[:50])
    said = command("evaluate", run)
    assert said.status == 1
    assert str(path) in said.err


def test_a_checkpoint_is_named(command, trained_run, tmp_path):
    oldest, *later = sorted(folder.name for folder in (trained_run / "checkpoints").iterdir())
    flags = ("--episodes", "2", "--device", "cpu", "--json")
    played = [
        json.loads(command("evaluate", trained_run, "--checkpoint", name, *flags).out) for name in (oldest, *later)
    ]
    assert [found["checkpoint"] for found in played] == [oldest, *later]
    assert played[-1] == json.loads(command("evaluate", trained_run, *flags).out)
    only = shutil.copytree(trained_run, tmp_path / "only", ignore=shutil.ignore_patterns(*later))
    assert played[0] | {"run": str(only)} == json.loads(command("evaluate", only, *flags).out)


def test_a_checkpoint_that_is_not_there_is_refused_and_so_is_one_of_a_file(command, trained_run):
    said = command("evaluate", trained_run, "--checkpoint", "step_7")
    assert (said.status, "holds no checkpoint 'step_7'; choose one of step_" in said.err) == (1, True)
    said = command("evaluate", AGENT, "--checkpoint", "step_7")
    assert (said.status, "is a file that holds a single one" in said.err) == (2, True)


def test_a_tier_is_told_of_and_spares_searches_the_second_time(command, trained_run, disk):
    words = ["evaluate", trained_run, "--episodes", "2", "--device", "cpu", "--tier", f"lmdb:{disk}"]
    first, second = (json.loads(command(*words, "--json").out) for _ in range(2))
    assert first["eval_returns"] == second["eval_returns"]
    assert 0 < first["tiers"]["lmdb"]["written"] <= first["tiers"]["lmdb"]["misses_absent"]
    assert second["tiers"]["lmdb"]["misses"] == 0
    assert "tier lmdb: hits=" in command(*words).out


def test_flags_of_tiers_are_written_as_in_training():
    words = ["run", "--tier", "redis://far.example", "--tier-trusts-network", "True"]
    assert parse(Evaluate, words, prog="kvzero evaluate").tiers.tier_trusts_network
