"""A checkpoint is whole or not there, holds everything, and names what is wrong with it."""

import errno
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tests.training.environments import FEATURES
from tests.training.samples import LEARNER, MODEL, SPEC, filled_replay, tiny_learner, tiny_network

from kvzero import AgentConfig, ReplayConfig
from kvzero.agent import newest_checkpoint
from kvzero.errors import CheckpointError, RunError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, build_row_spec
from kvzero.training import Learner
from kvzero.training.storage import Progress, contents, load_checkpoint, save_checkpoint

AGENT = AgentConfig(model=MODEL)
FILES = ["weights.safetensors", "target.safetensors", "optimizer.safetensors", "replay.safetensors", "state.json"]

pytestmark = pytest.mark.usefixtures("own_random_state")


def progress(env_steps: int) -> Progress:
    rng = np.random.default_rng(env_steps)
    return Progress(
        env_steps=env_steps,
        updates_owed=0.25,
        evaluated_at=env_steps // 3,
        seconds=1.5,
        search_rng=dict(rng.bit_generator.state),
    )


def save(run: Path, learner: Learner, replay, env_steps: int, *, keep: int = 2) -> Path:
    return save_checkpoint(run, learner, replay, progress(env_steps), agent=AGENT, keep=keep)


def train(learner: Learner, replay, num_updates: int) -> None:
    for _ in range(num_updates):
        segments = replay.sample(5, num_steps=learner.segment_steps)
        learner.update(segments)
        torch.rand(3)  # somebody draws


def everything(learner: Learner, replay) -> dict[str, torch.Tensor | int]:
    state = learner.optimizer.state_dict()["state"]
    return {
        **{f"network.{name}": weights for name, weights in learner.network.state_dict().items()},
        **{f"target.{name}": weights for name, weights in learner.target_network.state_dict().items()},
        **{f"adam.{index}.{name}": value for index, entry in state.items() for name, value in entry.items()},
        **{f"replay.{name}": torch.from_numpy(array.copy()) for name, array in replay.state_arrays().items()},
        "drawn next": torch.from_numpy(replay.sample(7, num_steps=2).fields["observations"]),
        "torch's next": torch.rand(4),
        "rate": torch.tensor([group["lr"] for group in learner.optimizer.param_groups], dtype=torch.float64),
    }


def test_n_and_m_updates_equal_n_then_a_checkpoint_then_m_bit_for_bit(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    torch.manual_seed(5)
    train(learner, replay, 3)
    folder = save(tmp_path, learner, replay, 40)
    train(learner, replay, 4)
    replay.end_running_episodes()
    wanted = everything(learner, replay)
    torch.manual_seed(99)
    other, other_replay = tiny_learner(seed=1), filled_replay(seed=2, num_steps=3)
    train(other, other_replay, 1)
    found = load_checkpoint(folder, other, other_replay)
    assert found == progress(40)
    assert other.num_updates == 3
    other_replay.end_running_episodes()  # as a resumed run does
    train(other, other_replay, 4)
    got = everything(other, other_replay)
    assert wanted.keys() == got.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], got[name])] == []
    assert learner.num_updates == other.num_updates == 7


def test_loading_into_a_network_changes_its_version(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 8)
    before = learner.network.version
    load_checkpoint(folder, learner, replay)
    assert learner.network.version != before


def test_the_folder_is_named_by_steps_and_updates_and_holds_all_files(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    train(learner, replay, 2)
    folder = save(tmp_path, learner, replay, 40)
    assert folder == tmp_path / "checkpoints" / "step_0000000040_0000000002"
    assert {path.name for path in folder.iterdir()} == {*FILES, "agent.json"}


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    folders = [save(tmp_path, learner, replay, env_steps, keep=3) for env_steps in (8, 16, 24, 100, 32)]
    assert sorted((tmp_path / "checkpoints").iterdir()) == sorted([folders[2], folders[4], folders[3]])


def test_a_checkpoint_of_the_same_name_keeps_its_tensors_and_learns_how_far_the_run_has_come(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 8)
    before = written_at(folder)
    later = replace(progress(8), evaluated_at=8, seconds=99.5)
    assert save_checkpoint(tmp_path, learner, replay, later, agent=AGENT, keep=2) == folder
    changed = written_at(folder)
    assert changed.keys() == before.keys()
    assert [name for name in before if before[name] != changed[name]] == ["state.json"]
    assert load_checkpoint(folder, learner, replay) == later


def written_at(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("found_format", [1, 2])
def test_an_older_checkpoint_is_taken_for_evaluated_where_that_was_due(tmp_path, found_format):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 8)
    state = json.loads((folder / "state.json").read_text())
    del state["progress"]["evaluated_at"]
    (folder / "state.json").write_text(json.dumps(state | {"format": found_format}))
    assert load_checkpoint(folder, learner, replay) == replace(progress(8), evaluated_at=8)
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match=r"state\.json is damaged.*evaluated_at"):
        load_checkpoint(folder, learner, replay)


def test_what_a_kill_left_unfinished_is_not_taken_for_a_checkpoint_and_goes_with_the_next_one(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 8)
    partial = folder.with_name("partial_step_0000000099_0000000000")
    partial.mkdir()
    (partial / "weights.safetensors").write_bytes(b"half")
    assert newest_checkpoint(tmp_path) == folder
    following = save(tmp_path, learner, replay, 16)
    assert sorted((tmp_path / "checkpoints").iterdir()) == [folder, following]


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [FULL, SafetensorError("I/O error: No space left on device (os error 28)")])
def test_a_full_disk_is_named_and_leaves_the_checkpoint_before_it_whole(tmp_path, monkeypatch, error):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 8)

    def refuse(*_):
        raise error

    monkeypatch.setattr(contents, "save_arrays", refuse)
    train(learner, replay, 1)
    with pytest.raises(RunError, match=r"No space left on device.*free space") as caught:
        save(tmp_path, learner, replay, 16)
    assert "step_0000000016" in str(caught.value)
    assert list((tmp_path / "checkpoints").iterdir()) == [folder]
    load_checkpoint(folder, tiny_learner(), filled_replay())


def test_a_run_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        save(tmp_path / "file" / "run", tiny_learner(), filled_replay(), 8)


def normalising_learner(spec: EnvSpec = SPEC) -> Learner:
    network = tiny_network(model=replace(MODEL, normalize_observations=True), spec=spec)
    return Learner(network, LEARNER, discount=0.9, total_updates=5)


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, observation_shape=(1, 16, 17))], ids=["vectors", "images"])
def test_observations_that_wait_to_be_normalised_by_come_back_in_order(tmp_path, spec):
    learner, other = normalising_learner(spec), normalising_learner(spec)
    numbers = 50 + 9 * np.random.default_rng(0).normal(size=(5, 2, *spec.observation_shape))
    batches = numbers.astype(spec.observation_dtype)
    for batch in batches[:3]:
        learner.show(batch)
    other.show(batches[4])
    load_checkpoint(save(tmp_path, learner, filled_replay(), 6), other, filled_replay())
    assert [waiting.dtype for waiting in other.unseen] == [spec.observation_dtype]
    for batch in batches[3:]:
        learner.show(batch)
        other.show(batch)
    for each in (learner, other):
        each.take_in()
        assert each.network.normaliser.count == 10
    torch.testing.assert_close(other.network.state_dict(), learner.network.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(other.target_network.state_dict(), learner.target_network.state_dict(), rtol=0, atol=0)


def test_a_checkpoint_whose_waiting_observations_are_missing_is_refused_unless_it_is_of_the_first_format(tmp_path):
    learner = normalising_learner()
    learner.show(np.ones((2, FEATURES), np.float32))
    folder = save(tmp_path, learner, filled_replay(), 6)
    (folder / "unseen.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"unseen\.safetensors.*delete"):
        load_checkpoint(folder, learner, filled_replay())
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"format": 1}))
    load_checkpoint(folder, learner, filled_replay())
    learner.take_in()
    assert learner.network.normaliser.count == 0


def test_a_checkpoint_of_the_first_format_that_is_brought_up_to_date_is_one_of_this_format(tmp_path):
    learner = normalising_learner()
    folder = save(tmp_path, learner, filled_replay(), 6)
    (folder / "unseen.safetensors").unlink()
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"format": 1}))
    load_checkpoint(folder, learner, filled_replay())
    assert save(tmp_path, learner, filled_replay(), 6) == folder
    assert json.loads((folder / "state.json").read_text())["format"] == contents.FORMAT
    load_checkpoint(folder, learner, filled_replay())
    assert learner.unseen == []


def test_a_checkpoint_of_the_second_format_goes_on_without_its_root_values(tmp_path):
    learner, replay = tiny_learner(), filled_replay()
    folder = save(tmp_path, learner, replay, 6)
    arrays = load_file(folder / "replay.safetensors")
    former = {f"root_values.{env}": np.ones(len(arrays[f"rewards.{env}"]), np.float32) for env in range(2)}
    save_file({**arrays, **former}, folder / "replay.safetensors")
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"format": 2}))
    other, other_replay = tiny_learner(seed=1), filled_replay(seed=2, num_steps=3)
    load_checkpoint(folder, other, other_replay)
    wanted, found = everything(learner, replay), everything(other, other_replay)
    del wanted["torch's next"], found["torch's next"]
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_a_replay_is_taken_into_memory_once(tmp_path):
    """While a checkpoint is read, a small part of its replay is held beside the replay that it is read into."""
    spec, num_rows = build_row_spec(EnvSpec(observation_shape=(3, 16, 16), num_actions=2)), 20_000
    full, empty = (Replay(ReplayConfig(replay_capacity=num_rows), spec, num_envs=1, seed=0) for _ in range(2))
    rng = np.random.default_rng(0)
    rows = {f"{name}.0": rng.integers(2, size=(num_rows, *field.shape)) for name, field in spec.items()}
    rows = {key: values.astype(spec[key.removesuffix(".0")].dtype) for key, values in rows.items()}
    counts = {"num_written": np.array([num_rows + 5]), "rows_per_env": np.array([num_rows])}
    full.load_state_arrays({**rows, **counts, "kinds.0": np.ones(num_rows, np.int8)})
    folder = save(tmp_path, tiny_learner(), full, 8)
    other = tiny_learner()
    tracemalloc.start()
    load_checkpoint(folder, other, empty)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * full.nbytes
    for key, values in rows.items():
        np.testing.assert_array_equal(empty.state_arrays()[key], values)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["half", "empty", "missing"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    learner, replay = tiny_learner(), filled_replay()
    train(learner, replay, 1)
    path = save(tmp_path, learner, replay, 8) / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises(CheckpointError, match=rf"{name}.*(damaged|cannot be read).*delete"):
        load_checkpoint(path.parent, tiny_learner(), filled_replay())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    folder = save(tmp_path, tiny_learner(), filled_replay(), 8)
    other = Learner(tiny_network(model=replace(MODEL, support_size=13)), LEARNER, discount=0.9, total_updates=5)
    with pytest.raises(CheckpointError, match=r"another configuration.*\[.*11.*\].*\[.*13.*\]"):
        load_checkpoint(folder, other, filled_replay())


def test_a_checkpoint_of_another_replay_is_refused(tmp_path):
    folder = save(tmp_path, tiny_learner(), filled_replay(), 8)
    with pytest.raises(CheckpointError, match="replay_capacity"):
        load_checkpoint(folder, tiny_learner(), filled_replay(replay_capacity=80))


def test_a_newer_format_is_refused(tmp_path):
    folder = save(tmp_path, tiny_learner(), filled_replay(), 8)
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"format": contents.FORMAT + 1}))
    with pytest.raises(CheckpointError, match=f"format {contents.FORMAT + 1}.*install the newer version"):
        load_checkpoint(folder, tiny_learner(), filled_replay())


@pytest.mark.parametrize(
    "change", [{"progress": {"env_steps": 3}}, {"updates": "many"}, {"replay_rng": {}}, {"torch_rng": [1, 2, 3]}]
)
def test_a_state_that_makes_no_sense_is_refused(tmp_path, change):
    folder = save(tmp_path, tiny_learner(), filled_replay(), 8)
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | change))
    with pytest.raises(CheckpointError):
        load_checkpoint(folder, tiny_learner(), filled_replay())


@pytest.mark.parametrize("chosen", ["float32", "bfloat16", None])
def test_a_measured_number_type_is_gone_on_with(tmp_path, chosen):
    measured = replace(LEARNER, precision="measured")
    learner = tiny_learner(measured)
    learner.number_type = chosen
    folder = save(tmp_path, learner, filled_replay(), 6)
    other, told = tiny_learner(measured, seed=1), tiny_learner(seed=1)
    load_checkpoint(folder, other, filled_replay())
    assert other.number_type == chosen
    load_checkpoint(folder, told, filled_replay())
    assert told.number_type == "float32"
    state = json.loads((folder / "state.json").read_text())
    del state["number_type"]
    (folder / "state.json").write_text(json.dumps(state | {"format": 3}))
    older = tiny_learner(measured)
    load_checkpoint(folder, older, filled_replay())
    assert older.number_type is None
