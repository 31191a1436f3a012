"""An agent that was exported is the agent that it was, and its file says nothing of where it lay and runs nothing."""

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.samples import tiny_config

import kvzero
from kvzero.agent import load_network, newest_checkpoint, read_notes
from kvzero.errors import CheckpointError, ConfigError, RunError
from kvzero.training import read_config

AGENTS = Path(__file__).parents[2] / "agents"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cartpole_run(tmp_path_factory):
    """Return a run of an environment that every kvzero knows."""
    schedule = {
        "total_env_steps": 12,
        "eval_every": 100,
        "final_eval_episodes": 2,
        "max_eval_steps": 9,
        "checkpoint_every": 8,
    }
    config = tiny_config(tmp_path_factory.mktemp("secret-folder"), run_name="poles", **schedule)
    with pytest.MonkeyPatch.context() as patch:
        train = importlib.import_module("kvzero.training.train")
        for drawn in ("_show_curve", "write_report"):  # pictures would take most of the time
            patch.setattr(train, drawn, lambda *_: None)
        return kvzero.train(replace(config, env=kvzero.EnvConfig(num_envs=2), sinks=())).run


@pytest.fixture
def exported(cartpole_run, tmp_path):
    kvzero.export_run(cartpole_run, tmp_path / "poles.safetensors", licence="CC0-1.0")
    return tmp_path / "poles.safetensors"


def test_an_exported_agent_has_the_weights_and_the_config_of_the_checkpoint(cartpole_run, exported):
    (network, config), (wanted, wanted_config) = (
        load_network(place, CPU) for place in (exported, newest_checkpoint(cartpole_run))
    )
    assert (config, network.spec) == (wanted_config, wanted.spec)
    assert network.digest == wanted.digest


def test_a_checkpoint_is_exported_and_loaded_by_name(cartpole_run, tmp_path):
    oldest, *_, newest = sorted(folder.name for folder in (cartpole_run / "checkpoints").iterdir())
    assert oldest != newest
    kvzero.export_run(cartpole_run, tmp_path / "oldest.safetensors", checkpoint=oldest)
    notes = read_notes(tmp_path / "oldest.safetensors")
    assert (notes["checkpoint"], notes["summary"]) == (oldest, None)
    wanted = load_network(cartpole_run / "checkpoints" / oldest, CPU)[0].digest
    assert load_network(tmp_path / "oldest.safetensors", CPU)[0].digest == wanted
    assert kvzero.Agent.load(cartpole_run, checkpoint=oldest, device="cpu").network.digest == wanted
    with pytest.raises(RunError, match=f"holds no checkpoint 'step_7'; choose one of {oldest}"):
        kvzero.Agent.load(cartpole_run, checkpoint="step_7")
    with pytest.raises(ConfigError, match="is a file that holds a single one"):
        kvzero.Agent.load(tmp_path / "oldest.safetensors", checkpoint=oldest)


def test_it_plays_as_its_run_does(cartpole_run, exported):
    played, wanted = (kvzero.evaluate_run(place, num_episodes=3, seed=5) for place in (exported, cartpole_run))
    assert played.returns == wanted.returns
    assert played.checkpoint == exported
    observation = np.array([0.1, -0.2, 0.03, 0.4], np.float32)
    assert kvzero.Agent.load(exported).act(observation) == kvzero.Agent.load(cartpole_run).act(observation)


def test_its_header_holds_settings_result_versions_licence_and_card_and_no_folder(cartpole_run, exported):
    notes, summary = read_notes(exported), json.loads((cartpole_run / "summary.json").read_text())
    assert notes["summary"] == summary
    assert notes["versions"] == summary["versions"]
    assert notes["licence"] == "CC0-1.0"
    assert notes["card"] == exported.with_suffix(".md").read_text(encoding="utf-8")
    assert read_config(exported) == replace(read_config(cartpole_run), runs_dir="runs", run_name=None)
    assert b"secret-folder" not in exported.read_bytes()


def test_the_card_tells_result_licence_and_use(cartpole_run, exported):
    card = exported.with_suffix(".md").read_text(encoding="utf-8")
    mean = json.loads((cartpole_run / "summary.json").read_text())["eval_return_mean"]
    for words in (
        f"mean return {mean:,.4g} over 2 games",
        "CC0-1.0",
        "kvzero evaluate poles.safetensors",
        "CartPole-v1",
    ):
        assert words in card


def test_exporting_once_more_gives_the_same_bytes_in_place_of_the_old_ones(cartpole_run, exported):
    content = exported.read_bytes()
    kvzero.export_run(cartpole_run, exported, licence="CC0-1.0")
    assert exported.read_bytes() == content


def test_weights_that_were_trained_on_since_have_no_result(cartpole_run, tmp_path):
    run = shutil.copytree(cartpole_run, tmp_path / "run")
    newest = newest_checkpoint(run)
    newest.rename(newest.with_name("step_0000000099_0000000050"))
    card = kvzero.export_run(run, tmp_path / "a.safetensors").read_text(encoding="utf-8")
    assert read_notes(tmp_path / "a.safetensors")["summary"] is None
    assert "none: its run had not ended" in card
    assert "not stated" in card


@pytest.mark.parametrize("taken", ["agent.safetensors", "agent.md"])
def test_what_was_not_exported_is_not_replaced(cartpole_run, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(RunError, match=taken):
        kvzero.export_run(cartpole_run, tmp_path / "agent.safetensors")
    assert (tmp_path / taken).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_exported_is_refused(cartpole_run, exported, tmp_path):
    with pytest.raises(ConfigError, match="safetensors"):
        kvzero.export_run(cartpole_run, tmp_path / "agent.bin")
    with pytest.raises(RunError, match="give the folder of a run"):
        kvzero.export_run(exported, tmp_path / "again.safetensors")
    with pytest.raises(RunError, match="no checkpoint"):
        kvzero.export_run(tmp_path, tmp_path / "none.safetensors")


def test_a_file_that_names_code_for_its_environment_is_loaded_and_never_calls_it(trained_run, tmp_path):
    out = tmp_path / "own.safetensors"
    kvzero.export_run(trained_run, out)
    with pytest.raises(RunError, match=r"tests\.training\.environments:Ladder.*Agent\.load"):
        kvzero.evaluate_run(out, num_episodes=1)
    assert load_network(out, CPU)[1] == load_network(newest_checkpoint(trained_run), CPU)[1]


def test_a_damaged_file_and_one_of_another_kind_are_refused(exported, cartpole_run):
    weights = newest_checkpoint(cartpole_run) / "weights.safetensors"
    content = exported.read_bytes()
    exported.write_bytes(content[: len(content) // 2])
    for path in (exported, weights, cartpole_run / "config.json"):
        with pytest.raises(CheckpointError, match=path.name):
            kvzero.evaluate_run(path, num_episodes=1)


def test_a_file_of_a_newer_format_is_refused(exported):
    exported.write_bytes(exported.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 9'))
    with pytest.raises(CheckpointError, match="format 9"):
        kvzero.Agent.load(exported)


@pytest.mark.parametrize("path", sorted(AGENTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_a_published_agent_is_small_loads_and_has_its_card(path):
    assert path.stat().st_size < (4_000_000 if path.stem == "pong" else 2_000_000)  # pictures take a larger encoder
    notes = read_notes(path)
    assert notes["card"] == path.with_suffix(".md").read_text(encoding="utf-8")
    assert notes["licence"] == "Apache-2.0"
    (network, agent), config = load_network(path, CPU), read_config(path)
    assert config.agent.model == agent.model == network.config
    assert notes["summary"]["seed"] == config.seed


def test_there_are_published_agents():
    assert {path.stem for path in AGENTS.glob("*.safetensors")} == {"cartpole", "memory", "minigrid", "pong"}
