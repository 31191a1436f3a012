"""Which command is run, and how refusals reach the user."""

import io

import pytest

import kvzero
from kvzero.cli import main
from kvzero.cli.main import COMMANDS


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["train", "--help"], ["compare", "-h"], ["bench", "-h"]])
def test_help_names_every_command(command, words):
    said = command(*words)
    assert said.status == 0
    assert said.err == ""
    assert all(f"  {name}" in said.out for name in COMMANDS)


def test_the_version_is_told(command):
    assert command("--version").out == f"kvzero {kvzero.__version__}\n"


@pytest.mark.parametrize(
    ("words", "status", "parts"),
    [
        (["fly"], 2, ["'fly'", "train, evaluate, inspect, export, report, compare, presets, bench"]),
        (["train"], 2, ["kvzero train PRESET", "cartpole", "--resume RUN"]),
        (["train", "--seed", "3"], 2, ["kvzero train PRESET"]),
        (["train", "pong"], 2, ["'pong'", "cartpole, acrobot"]),
        (["train", "cartpole", "--colour", "red"], 2, ["--colour", "kvzero train cartpole --help"]),
        (["train", "cartpole", "--seed"], 2, ["--seed"]),
        (["train", "cartpole", "--seed", "many"], 2, ["--seed", "many"]),
        (["train", "cartpole", "--seed", "-1"], 2, ["seed is -1"]),
        (["train", "cartpole", "--latent-loss", "l3"], 2, ["l3", "group_kl"]),
        (["train", "cartpole", "--embed-dim", "0"], 2, ["embed_dim is 0"]),
        (["train", "cartpole", "--embed-dim", "-8"], 2, ["error: embed_dim is -8"]),
        (["train", "cartpole", "--num-heads", "3"], 2, ["embed_dim 64", "num_heads 3"]),
        (["train", "cartpole", "--num-layers", "0"], 2, ["num_layers is 0"]),
        (["train", "cartpole", "--num-envs", "0"], 2, ["num_envs is 0"]),
        (["train", "cartpole", "--num-simulations", "-5"], 2, ["num_simulations is -5"]),
        (["train", "cartpole", "--batch-size", "0"], 2, ["batch_size is 0"]),
        (["train", "cartpole", "--total-env-steps", "0"], 2, ["total_env_steps is 0"]),
        (["train", "cartpole", "--replay-capacity", "1"], 2, ["replay_capacity is 1"]),
        (["train", "cartpole", "--image-size", "32"], 2, ["image_size", "CartPole-v1"]),
        (["train", "--resume"], 2, ["--resume"]),
        (["train", "--resume", "x", "--total-env-steps", "y"], 2, ["--total-env-steps", "y"]),
        (["evaluate"], 2, ["kvzero evaluate"]),
        (["evaluate", "x", "--episodes", "0"], 2, ["episodes is 0"]),
        (["compare"], 2, ["kvzero compare PRESET", "cartpole"]),
        (["compare", "pong", "--env-steps", "5"], 2, ["'pong'", "cartpole, acrobot"]),
        (["presets", "all"], 2, ["all"]),
        (["bench"], 2, ["kvzero bench search"]),
        (["bench", "training"], 2, ["kvzero bench search"]),
        (["bench", "search", "--num-envs", "0"], 2, ["num_envs is 0"]),
        (["bench", "search", "--num-searches", "-1"], 2, ["num_searches -1"]),
        (["bench", "search", "--num-threads", "0"], 2, ["num_threads is 0"]),
        (["bench", "search", "--num-pairs", "3"], 2, ["num_pairs is 3", "--peer mctx"]),
        (["bench", "search", "--peer", "mctx", "--num-pairs", "0"], 2, ["num_pairs is 0"]),
        (["bench", "search", "--peer", "lightzero"], 2, ["lightzero", "mctx"]),
        (["bench", "search", "--embed-dim", "24", "--num-heads", "5"], 2, ["embed_dim 24", "num_heads 5"]),
        (["bench", "search", "--num-actions", "0"], 2, ["num_actions is 0"]),
        (["bench", "search", "--dtype", "int8"], 2, ["int8", "float32"]),
        (["bench", "search", "--store", "cupboard"], 2, ["cupboard", "tree"]),
        (["bench", "search", "--device", "cuda:9"], 2, ["cuda:9", "--device cpu"]),
        (["bench", "search", "--device", "toaster"], 2, ["toaster"]),
    ],
)
def test_bad_input_is_refused_by_name(command, words, status, parts):
    said = command(*words)
    assert said.status == status
    assert said.out == ""
    assert [part for part in parts if part not in said.err] == []


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_the_parser_does_not_understand_it_says_itself(encoding, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        main(["train", "cartpole", "--embed-dim", "x"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    for part in ("--embed-dim", "'x'", "Width of a token (E). (default: 64)", "kvzero train cartpole --help"):
        assert part in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["train", "cartpole", "--embed-dim", "0"], "embed_dim is 0; give at least 1"),
        (
            ["compare", "cartpole", "--num-laps", "0", "--env-steps", "1", "--out", "x"],
            "num_laps is 0; give at least 1",
        ),
        (["evaluate", "x", "--episodes", "0"], "episodes is 0; give at least 1"),
    ],
)
def test_a_value_that_cannot_work_is_refused_in_a_line_of_ours(command, words, line):
    assert command(*words).err == f"error: {line}\n"


def test_an_interrupt_that_nobody_awaited_ends_without_a_trace(monkeypatch, capsys):
    def interrupted(words):
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "train", interrupted)
    assert main(["train", "cartpole"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "cartpole"],
        ["evaluate"],
        ["presets"],
        ["compare", "cartpole"],
        ["bench", "search"],
        ["bench", "suite"],
        ["bench", "train"],
    ],
)
def test_help_of_a_command_comes_from_the_docstrings(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "kvzero " + " ".join(words) in capsys.readouterr().out
