"""`kvzero train` from words to a run folder."""

import json
import re
import shutil
import sys

import pytest
from tests.training.samples import MODEL

from kvzero.cli.train import parse_run
from kvzero.errors import ConfigError

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = (
    f"--device cpu --embed-dim {MODEL.embed_dim} --num-layers 1 --num-heads 2 --context-tokens 6 --support-size 11 "
    "--encoder-width 12 --num-simulations 2 --num-envs 2 --batch-size 4 --unroll-steps 3 --bootstrap-steps 2 "
    "--total-env-steps 12 --learning-starts 4 --round-env-steps 4 --final-eval-episodes 2 --max-eval-steps 5 "
    "--env-id tests.training.environments:Ladder"
).split()
AS_THEY_ARE = ["--normalize-observations", "False"]


def test_flags_change_the_preset(capsys):
    words = ["--env-id", "ALE/Breakout-v5", "--seed", "3", "--num-simulations", "7", "--runs-dir", "there"]
    with pytest.raises(SystemExit):
        parse_run("atari-small", [*words, "--no-clip-rewards"])
    assert "--no-clip-rewards" in capsys.readouterr().err
    config = parse_run("atari-small", [*words, "--clip-rewards", "False"])
    assert (config.env.env_id, config.seed, config.runs_dir) == ("ALE/Breakout-v5", 3, "there")
    assert (config.agent.search.num_simulations, config.env.clip_rewards) == (7, False)
    assert config.preset == "atari-small"
    assert config.agent.model.embed_dim == parse_run("atari-small", []).agent.model.embed_dim


@pytest.mark.parametrize(
    "words",
    [
        ["--tier", "lmdb:a,redis://b"],
        ["--tier", "lmdb:a", "redis://b"],
        ["--tier", "lmdb:a", "--seed", "7", "--tier=redis://b"],
        ["--tier=lmdb:a", "--tier", "redis://b", "--seed", "7"],
    ],
)
def test_tiers_may_be_given_in_any_way(words):
    config = parse_run("cartpole", words)
    assert config.tiers.tier == ("lmdb:a", "redis://b")
    assert config.seed == 7 * ("--seed" in words)


@pytest.mark.parametrize("words", [["--rule", "gumbel"], ["--rule=gumbel"], ["--rule", "puct", "--rule", "gumbel"]])
def test_another_rule_leaves_out_what_the_preset_set_for_its_own(words):
    config = parse_run("cartpole", [*words, "--sampler", "prioritised", "--num-simulations", "16"])
    assert (config.agent.search.rule, config.replay.sampler) == ("gumbel", "prioritised")
    assert config.agent.search.num_simulations == 16
    with pytest.raises(ConfigError, match=r"pb_c_init is 0\.5, which would have no effect with rule=gumbel"):
        parse_run("cartpole", [*words, "--pb-c-init", "0.5"])


@pytest.mark.parametrize("words", [["--rule"], ["--rule", "alphabeta"], ["--sampler", "--rule", "gumbel"]])
def test_a_rule_or_sampler_that_there_is_not_is_the_parsers_to_refuse(words, capsys):
    with pytest.raises(SystemExit):
        parse_run("cartpole", words)
    assert words[0] in capsys.readouterr().err


def test_a_run_says_where_it_is_and_how_it_ended(command, tmp_path):
    said = command("train", "cartpole", *SMALL, "--runs-dir", tmp_path, "--run-name", "one")
    assert said.status == 0
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    last = said.out.splitlines()[-4:]
    assert last[0] == f"evaluation return {summary['eval_return_mean']:.1f} over 2 episodes"
    assert last[1].startswith("12 environment steps and 4 updates in ")
    assert last[1].endswith(" updates/s")
    assert re.fullmatch(r"each step was trained on \d+ times; dormant units: .*% of the encoder, .*heads", last[2])
    assert last[3] == f"everything is in {tmp_path / 'one'}"
    assert "12/12 steps (100%)" in said.out
    again = command("train", "cartpole", *SMALL, "--runs-dir", tmp_path, "--run-name", "one")
    assert again.status == 1
    assert "already exists" in again.err
    assert f"kvzero train --resume {tmp_path / 'one'}" in again.err
    over = command("train", "--resume", tmp_path / "one")
    assert over.status == 1
    assert "came to its end at 12 environment steps" in over.err


def test_a_finished_run_goes_on_to_a_later_end(command, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "longer")
    said = command("train", "--resume", run, "--total-env-steps", "44")
    assert said.status == 0
    assert "44 environment steps and 8 updates" in said.out


def test_arguments_of_an_environment_are_kept_with_the_run(command, tmp_path):
    words = [
        *SMALL[:-1],
        "tests.training.environments:Sized",
        "--env-kwargs",
        "num_features=7",
        "--num-env-workers",
        "1",
    ]
    assert command("train", "cartpole", *words, "--runs-dir", tmp_path, "--run-name", "one").status == 0
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["env"]["env_kwargs"] == {"num_features": 7}
    assert command("train", "--resume", tmp_path / "one", "--total-env-steps", "16").status == 0
    assert command("evaluate", tmp_path / "one", "--episodes", "1").status == 0


@pytest.mark.parametrize(
    ("words", "status", "parts"),
    [
        (
            ["--env-id", "tests.training.environments:Speck", "--encoder-width", "128"],
            2,
            ["environments:Speck: images are 4x4", "--image-size"],
        ),
        (
            ["--env-id", "tests.training.environments:Huge", *AS_THEY_ARE],
            1,
            ["shows -3e+38", "give --normalize-observations True"],
        ),
        (["--env-kwargs", "size=8"], 2, ["unexpected keyword argument 'size'", "give --env-kwargs key=value"]),
        (["--env-id", "CartPol-v1"], 2, ["CartPol-v1", "did you mean", "CartPole-v1"]),
        (["--env-id", "nowhere.to_be:Found"], 2, ["nowhere"]),
        (["--env-id", "tests.training.environments:Mixed"], 2, ["observation['eye']", "one image or one vector"]),
        (["--device", "cuda:9"], 2, ["cuda:9", "--device cpu"]),
        (["--replay-capacity", "3"], 2, ["replay_capacity 3"]),
        (["--preset", "pong"], 2, ["--preset pong would give the run a name", "kvzero train cartpole"]),
        (["--run-name", ""], 2, ["run_name is ''", "no folder below runs_dir"]),
        (["--run-name", "../elsewhere"], 2, ["run_name is '../elsewhere'"]),
        (["--run-name", "/elsewhere"], 2, ["run_name is '/elsewhere'"]),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_no_folder(command, tmp_path, words, status, parts):
    said = command("train", "cartpole", *SMALL, "--runs-dir", tmp_path / "runs", *words)
    assert said.status == status
    assert [part for part in parts if part not in said.err] == []
    assert not (tmp_path / "runs").exists()


def test_a_runs_folder_that_cannot_be_written_is_refused(command, tmp_path):
    (tmp_path / "file").touch()
    said = command("train", "cartpole", *SMALL, "--runs-dir", tmp_path / "file" / "runs")
    assert said.status == 1
    assert "cannot be written" in said.err


def test_a_file_cannot_be_resumed(command, tmp_path):
    (tmp_path / "agent.safetensors").touch()
    said = command("train", "--resume", tmp_path / "agent.safetensors")
    assert said.status == 1
    assert "is a file, and no run that could go on" in said.err


def test_a_sink_without_its_package_is_refused_and_leaves_no_folder(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    said = command("train", "cartpole", *SMALL, "--runs-dir", tmp_path / "runs", "--sinks", "wandb")
    assert said.status == 2
    assert "kvzero[wandb]" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_cluster_given_on_resuming_a_run_without_collectors_is_refused(command, trained_run):
    said = command("train", "--resume", trained_run, "--cluster", "auto")
    assert said.status == 2
    assert "cluster would have no effect" in said.err


@pytest.mark.parametrize("kind", ["missing", "empty", "without its checkpoints"])
def test_a_folder_that_is_no_run_cannot_be_resumed(command, trained_run, tmp_path, kind):
    if kind != "missing":
        (tmp_path / "run").mkdir()
    if kind == "without its checkpoints":  # which it had, as it came to an end
        for name in ("config.json", "summary.json"):
            shutil.copy(trained_run / name, tmp_path / "run")
    said = command("train", "--resume", tmp_path / "run")
    assert said.status == 1
    assert str(tmp_path / "run") in said.err


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "target.safetensors", "optimizer.safetensors", "replay.safetensors", "state.json"]
)
def test_a_truncated_checkpoint_is_named(command, trained_run, tmp_path, name):
    run = shutil.copytree(trained_run, tmp_path / "torn")
    path = sorted((run / "checkpoints").iterdir())[-1] / name
    path.write_bytes(path.read_bytes()[:100])
    said = command("train", "--resume", run, "--total-env-steps", "60")
    assert said.status == 1
    assert str(path) in said.err


@pytest.mark.filterwarnings("default::kvzero.errors.KvzeroWarning")
def test_a_warning_is_one_line_and_the_run_goes_on(command, tmp_path):
    said = command("train", "cartpole", *SMALL[:-1], "tests.training.environments:Rich", "--runs-dir", tmp_path)
    assert said.status == 0
    assert said.err.startswith("warning: an episode had a return of size ")
    assert said.err.count("\n") == 1


def test_numbers_near_the_end_of_float32_are_learnt_from_when_they_are_normalised(command, tmp_path):
    words = [*SMALL[:-1], "tests.training.environments:Huge", "--normalize-observations", "True"]
    assert command("train", "cartpole", *words, "--runs-dir", tmp_path).status == 0
