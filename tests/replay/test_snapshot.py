"""A replay that went through a checkpoint goes on exactly as the one that did not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.replay.conftest import assert_same

from kvzero.errors import CheckpointError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, StepBatch
from kvzero.replay.config import SamplerKind

VECTOR = EnvSpec(observation_shape=(4,), num_actions=3)
IMAGE = EnvSpec(observation_shape=(2, 6, 7), num_actions=5)
REACH = EnvSpec(observation_shape=(4,), action_dim=2)
NUM_ENVS = 3
ROWS = 13


@pytest.mark.parametrize("spec", [VECTOR, IMAGE, REACH], ids=["vector", "image", "continuous"])
@pytest.mark.parametrize("num_steps", [1, 4, 25])
@pytest.mark.parametrize("sampler", ["uniform", "prioritised"])
def test_a_resumed_replay_samples_the_same_batches_for_ever(
    make_replay: Callable[..., Replay],
    add_steps: Callable[..., None],
    tmp_path: Path,
    spec: EnvSpec,
    num_steps: int,
    sampler: SamplerKind,
) -> None:
    replay = make_replay(spec, num_envs=NUM_ENVS, rows_per_env=ROWS, sampler=sampler)
    add_steps(replay, spec, num_envs=NUM_ENVS, num_steps=max(num_steps, 2))
    prioritise_a_batch(replay, 1.0)
    add_steps(replay, spec, num_envs=NUM_ENVS, num_steps=1)
    for scale in (2.0, 300.0):
        prioritise_a_batch(replay, scale)
    np.savez(tmp_path / "replay.npz", **replay.state_arrays())
    rng_state = json.dumps(replay.rng_state())
    resumed = make_replay(spec, num_envs=NUM_ENVS, rows_per_env=ROWS, seed=99, sampler=sampler)
    add_steps(resumed, spec, num_envs=NUM_ENVS, num_steps=9, seed=7)
    prioritise_a_batch(resumed, 1e5)
    with np.load(tmp_path / "replay.npz", allow_pickle=False) as arrays:
        resumed.load_state_arrays(dict(arrays))
    resumed.load_rng_state(json.loads(rng_state))
    assert len(resumed) == len(replay)
    for _ in range(3):
        assert_same(resumed.sample(17, num_steps=4), replay.sample(17, num_steps=4))
        for each in (replay, resumed):
            add_steps(each, spec, num_envs=NUM_ENVS, num_steps=5, seed=11)


def prioritise_a_batch(replay: Replay, scale: float) -> None:
    places = replay.sample(5, num_steps=2).places
    replay.prioritise(places, scale * np.arange(len(places)))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"sampler.masses": None}, r"no 'sampler\.masses'.*another sampler"),
        ({"sampler.masses": np.zeros(5)}, r"sampler\.masses.*float64 \(5,\), this run keeps float64 \(39,\)"),
        ({"sampler.largest": np.zeros(1, np.float32)}, r"sampler\.largest"),
        ({"sampler.pending_places": np.zeros(5)}, r"sampler\.pending_places.*float64"),
        ({"sampler.pending_masses": np.zeros(4)}, r"sampler\.pending_masses.*\(4,\)"),
        ({"rewards.0": None}, r"rewards\.0"),
    ],
)
def test_priorities_that_do_not_fit_are_refused_and_change_nothing(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None], damage: dict[str, np.ndarray | None], words: str
) -> None:
    saved, replay = (make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS, sampler="prioritised") for _ in range(2))
    for seed, each in enumerate((saved, replay)):
        add_steps(each, VECTOR, num_envs=NUM_ENVS, num_steps=9, seed=seed)
        prioritise_a_batch(each, 1.0 + seed)
    arrays = {name: values for name, values in {**saved.state_arrays(), **damage}.items() if values is not None}
    before = {name: array.copy() for name, array in replay.state_arrays().items()}
    with pytest.raises(CheckpointError, match=words):
        replay.load_state_arrays(arrays)
    after = replay.state_arrays()
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_only_the_written_part_is_saved_and_not_copied(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None]
) -> None:
    replay = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=1000)
    add_steps(replay, VECTOR, num_envs=NUM_ENVS, num_steps=10)
    arrays = replay.state_arrays()
    num_ends = sum(int((arrays[f"kinds.{env}"] > 1).sum()) for env in range(NUM_ENVS))
    assert sum(len(arrays[f"observations.{env}"]) for env in range(NUM_ENVS)) == 10 * NUM_ENVS + num_ends
    assert all(array.flags.c_contiguous for array in arrays.values())
    assert not arrays["observations.2"].flags.owndata


def test_an_empty_replay_survives(make_replay: Callable[..., Replay], add_steps: Callable[..., None]) -> None:
    resumed = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    add_steps(resumed, VECTOR, num_envs=NUM_ENVS, num_steps=4)
    resumed.load_state_arrays(make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS).state_arrays())
    assert len(resumed) == 0


OTHERS = {
    "spec": (IMAGE, NUM_ENVS, ROWS),
    "continuous": (REACH, NUM_ENVS, ROWS),
    "num_actions": (EnvSpec(observation_shape=(4,), num_actions=2), NUM_ENVS, ROWS),
    "capacity": (VECTOR, NUM_ENVS, ROWS + 1),
    "fewer envs": (VECTOR, NUM_ENVS - 1, ROWS),
    "more envs": (VECTOR, NUM_ENVS + 1, ROWS),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_state_of_another_configuration_is_refused_and_changes_nothing(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None], other: str
) -> None:
    spec, num_envs, rows = OTHERS[other]
    foreign = make_replay(spec, num_envs=num_envs, rows_per_env=rows)
    add_steps(foreign, spec, num_envs=num_envs, num_steps=6)
    replay = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    add_steps(replay, VECTOR, num_envs=NUM_ENVS, num_steps=8)
    before = {name: array.copy() for name, array in replay.state_arrays().items()}
    with pytest.raises(CheckpointError, match="saved replay"):
        replay.load_state_arrays(foreign.state_arrays())
    after = replay.state_arrays()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_damaged_state_is_refused(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None], damage: str
) -> None:
    replay = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    add_steps(replay, VECTOR, num_envs=NUM_ENVS, num_steps=8)
    arrays = replay.state_arrays()
    key = f"rewards.{NUM_ENVS - 1}"
    if damage == "missing":
        del arrays[key]
    else:
        arrays[key] = arrays[key][:-1]
    with pytest.raises(CheckpointError, match=key):
        replay.load_state_arrays(arrays)


def test_arrays_of_fields_that_are_no_longer_kept_are_left_alone(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None]
) -> None:
    replay = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    add_steps(replay, VECTOR, num_envs=NUM_ENVS, num_steps=8)
    former = {f"root_values.{env}": np.ones(ROWS, np.float32) for env in range(NUM_ENVS)}
    resumed = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    resumed.load_state_arrays({**replay.state_arrays(), **former})
    resumed.load_rng_state(replay.rng_state())
    assert_same(resumed.sample(17, num_steps=4), replay.sample(17, num_steps=4))


@pytest.mark.parametrize("state", [{}, {"bit_generator": "MT19937"}, {"bit_generator": "PCG64", "state": 3}])
def test_a_random_state_of_another_kind_is_refused(
    make_replay: Callable[..., Replay], state: dict[str, object]
) -> None:
    with pytest.raises(CheckpointError, match="random state"):
        make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS).load_rng_state(state)


def test_a_resumed_run_continues_in_new_episodes(
    make_replay: Callable[..., Replay], make_step: Callable[..., StepBatch]
) -> None:
    rng = np.random.default_rng(0)
    replay = make_replay(VECTOR, num_envs=NUM_ENVS, rows_per_env=ROWS)
    for _ in range(3):
        replay.add(make_step(rng, VECTOR, NUM_ENVS))
    replay.end_running_episodes()
    assert len(replay) == 2 * NUM_ENVS
    replay.end_running_episodes()
    assert len(replay) == 2 * NUM_ENVS
    for _ in range(3):
        replay.add(make_step(rng, VECTOR, NUM_ENVS))
    segments = replay.sample(64, num_steps=6)
    assert not segments.terminated.any()
    assert segments.ends.max() == 2
