"""`kvzero train --lightzero-config` from an unmodified file to a run folder."""

import json

import pytest
from tests.compat.samples import CONFIGS

from kvzero.cli import main
from kvzero.cli.train import parse_lightzero

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = [
    *("--device", "cpu", "--num-simulations", "2", "--num-envs", "2", "--batch-size", "4"),
    *("--unroll-steps", "3", "--bootstrap-steps", "2", "--replay-ratio", "0.25"),
    *("--total-env-steps", "12", "--learning-starts", "4", "--round-env-steps", "4"),
    *("--final-eval-episodes", "2", "--max-eval-steps", "5"),
]
NARROW = ["--embed-dim", "16", "--num-layers", "1", "--num-heads", "2", "--support-size", "11"]


@pytest.mark.parametrize("name", ["cartpole", "variables"])
def test_an_unmodified_file_trains_and_what_it_left_out_is_told_once(command, tmp_path, name):
    file = CONFIGS / f"{name}.py"
    said = command("train", "--lightzero-config", file, *SMALL, "--runs-dir", tmp_path, "--run-name", "one")
    assert said.status == 0, said.err
    assert said.err.startswith("warning: not all of this LightZero config is carried over\n")
    assert said.err.count("warning:") == 1
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["preset"].startswith("lightzero-CartPole")
    assert config["agent"]["model"]["embed_dim"] == {"cartpole": 48, "variables": 32}[name]
    assert config["agent"]["search"]["num_simulations"] == 2
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert (summary["env_steps"], summary["updates"]) == (12, 2)
    longer = command("train", "--resume", tmp_path / "one", "--total-env-steps", "16")
    assert longer.status == 0, longer.err


def test_an_atari_file_trains(command, tmp_path):
    small_game = ["--encoder-channels", "16", "--max-frames", "60", "--image-size", "64", "--replay-capacity", "200"]
    place = ["--runs-dir", tmp_path, "--run-name", "pong"]
    said = command("train", f"--lightzero-config={CONFIGS / 'pong_segment.py'}", *SMALL, *NARROW, *small_game, *place)
    assert said.status == 0, said.err
    config = json.loads((tmp_path / "pong" / "config.json").read_text())
    assert (config["env"]["env_id"], config["agent"]["store"]) == ("ALE/Pong-v5", "pooled")
    assert "everything is in" in said.out


def test_a_file_of_stacked_grey_frames_trains(command, tmp_path):
    small_game = ["--encoder-channels", "16", "--max-frames", "60", "--replay-capacity", "200"]
    place = ["--runs-dir", tmp_path, "--run-name", "pong"]
    said = command("train", "--lightzero-config", CONFIGS / "pong_stacked.py", *SMALL, *NARROW, *small_game, *place)
    assert said.status == 0, said.err
    config = json.loads((tmp_path / "pong" / "config.json").read_text())
    assert (config["env"]["grayscale"], config["env"]["frame_stack"]) == (True, 4)


@pytest.mark.parametrize("name", ["pendulum_sampled", "pendulum_bins"])
def test_a_file_of_continuous_actions_trains_with_samples_or_bins(command, tmp_path, name):
    place = ["--runs-dir", tmp_path, "--run-name", "swing"]
    said = command("train", "--lightzero-config", CONFIGS / f"{name}.py", *SMALL, *NARROW, *place)
    assert said.status == 0, said.err
    assert json.loads((tmp_path / "swing" / "summary.json").read_text())["env_steps"] == 12
    longer = command("train", "--resume", tmp_path / "swing", "--total-env-steps", "16")
    assert longer.status == 0, longer.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--lightzero-config"], ["--lightzero-config names no file"]),
        (["--lightzero-config", "nowhere.py"], ["nowhere.py is no file"]),
        (["pong", "--lightzero-config", CONFIGS / "cartpole.py"], ["leave out 'pong', or the file"]),
        (["--lightzero-config=nowhere.py", "--seed", "3"], ["nowhere.py is no file"]),
        (["--lightzero-config", CONFIGS / "many_tasks.py"], ["several tasks"]),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(command, words, parts):
    said = command("train", *words)
    assert said.status == 2
    assert [part for part in parts if part not in said.err] == []


def test_flags_may_stand_before_the_file_and_wrong_ones_are_named(command, capsys):
    words = ["--seed", "9", "--lightzero-config", str(CONFIGS / "cartpole.py"), "--embed-dim", "64"]
    config = parse_lightzero(words)
    assert (config.seed, config.agent.model.embed_dim, config.agent.model.num_heads) == (9, 64, 2)
    capsys.readouterr()
    said = command("train", "--lightzero-config", CONFIGS / "variables.py", "--colour", "red")
    assert said.status == 2


def test_help_lists_the_fields_with_the_files_values(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--lightzero-config", str(CONFIGS / "cartpole.py"), "--help"])
    assert ended.value.code == 0
    assert "--embed-dim" in capsys.readouterr().out
