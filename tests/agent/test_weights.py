"""An agent on disk: it comes back as it went, and what is wrong with it is named."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import AgentConfig, ModelConfig
from kvzero.agent import load_network, load_weights, newest_checkpoint, read_checkpoint, save_agent, save_weights
from kvzero.errors import CheckpointError, RunError

CONFIG = AgentConfig(model=MODEL, num_eval_simulations=7)
CPU = torch.device("cpu")


def test_the_newest_checkpoint_has_most_steps_and_then_most_updates(tmp_path):
    for name in ("step_0000000900_0000000001", "step_0000001000_0000000002", "step_0000001000_0000000010"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "partial_step_0000002000_0000000010").mkdir()
    assert newest_checkpoint(tmp_path).name == "step_0000001000_0000000010"


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "only partial"])
def test_a_folder_without_a_checkpoint_is_named(tmp_path, kind):
    run = tmp_path / "run"
    if kind == "file":
        run.touch()
    elif kind == "empty":
        run.mkdir()
    elif kind == "only partial":
        (run / "checkpoints" / "partial_step_1").mkdir(parents=True)
    with pytest.raises(RunError, match=f"{run}"):
        newest_checkpoint(run)


def test_a_network_and_its_config_come_back_as_they_went(tmp_path):
    network = tiny_network(4)
    save_agent(tmp_path, network, CONFIG)
    found, config = load_network(tmp_path, CPU)
    assert config == CONFIG
    assert found.spec == SPEC
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, found.state_dict()[name])


def test_weights_of_other_sizes_are_refused_and_change_nothing(tmp_path):
    save_weights(tiny_network(1, replace(MODEL, num_layers=2)), tmp_path / "w.safetensors")
    network = tiny_network(2)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    with pytest.raises(CheckpointError, match="another configuration"):
        load_weights(network, tmp_path / "w.safetensors")
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())


@pytest.mark.parametrize("name", ["agent.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["half", "missing"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    save_agent(tmp_path, tiny_network(), CONFIG)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if damage == "half":
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=name):
        load_network(tmp_path, CPU)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"observation_shape": [5], "num_actions": 0}},
        {"agent": {"colour": "red"}},
        {"agent": 3},
        {"spec": None},
    ],
)
def test_a_config_from_elsewhere_is_refused(tmp_path, change):
    save_agent(tmp_path, tiny_network(), CONFIG)
    found = json.loads((tmp_path / "agent.json").read_text())
    (tmp_path / "agent.json").write_text(json.dumps(found | change))
    with pytest.raises(CheckpointError, match=r"agent\.json"):
        load_network(tmp_path, CPU)


def test_an_agent_of_images_comes_back(tmp_path):
    spec = replace(SPEC, observation_shape=(3, 16, 16))
    network = tiny_network(0, ModelConfig(embed_dim=8, num_heads=2, encoder_channels=16), spec)
    save_agent(tmp_path, network, AgentConfig(model=network.config))
    found, _ = load_network(tmp_path, CPU)
    image = torch.from_numpy(np.random.default_rng(0).integers(256, size=(2, 3, 16, 16), dtype=np.uint8))
    assert torch.equal(found.encode(image), network.encode(image))


def test_a_checkpoint_that_is_replaced_while_it_is_read_gives_way_to_the_newer_one(tmp_path):
    folders = [tmp_path / "checkpoints" / name for name in ("step_0000000010_0000000001", "step_0000000020_0000000002")]
    folders[0].mkdir(parents=True)
    save_agent(folders[0], tiny_network(1), CONFIG)

    def read(folder):
        if folder == folders[0]:  # what the process that writes the run does meanwhile
            folders[1].mkdir()
            save_agent(folders[1], tiny_network(2), CONFIG)
            folders[0].rename(folder.with_name(f"partial_{folder.name}"))
        return load_network(folder, CPU)[0]

    found, wanted = read_checkpoint(tmp_path, read), tiny_network(2)
    assert all(torch.equal(*pair) for pair in zip(found.parameters(), wanted.parameters(), strict=True))


def test_a_checkpoint_that_is_there_and_damaged_is_read_once(tmp_path):
    (tmp_path / "checkpoints" / "step_0000000010_0000000001").mkdir(parents=True)
    asked = []

    def read(folder):
        asked.append(folder)
        return load_network(folder, CPU)

    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path, read)
    assert len(asked) == 1
