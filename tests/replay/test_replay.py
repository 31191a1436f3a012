"""What the replay refuses, what it costs, and what its draws look like."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.replay.conftest import NUM_SAMPLED, row_spec_of, with_field

from kvzero.errors import ConfigError, EmptyReplayError, EnvError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, StepBatch, StepSink

VECTOR = EnvSpec(observation_shape=(4,), num_actions=3)
IMAGE = EnvSpec(observation_shape=(2, 6, 7), num_actions=5)


def snapshot(replay: Replay) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in replay.state_arrays().items()}


@pytest.mark.parametrize(
    ("spec", "obs_bytes"), [pytest.param(VECTOR, 4 * 4, id="vector"), pytest.param(IMAGE, 2 * 6 * 7, id="image")]
)
def test_memory_is_the_raw_bytes_of_a_row_and_one_counter_per_env(
    make_replay: Callable[..., Replay], spec: EnvSpec, obs_bytes: int
) -> None:
    num_envs, rows_per_env = 6, 11
    replay = make_replay(spec, num_envs=num_envs, rows_per_env=rows_per_env)
    row_bytes = obs_bytes + 4 + 4 + 4 * spec.num_actions + 1
    assert replay.nbytes == num_envs * rows_per_env * row_bytes + 8 * num_envs


def test_an_image_row_costs_within_one_percent_of_its_pixels(make_replay: Callable[..., Replay]) -> None:
    spec = EnvSpec(observation_shape=(3, 64, 64), num_actions=18)
    assert make_replay(spec, num_envs=2, rows_per_env=50).nbytes < 1.01 * 100 * 3 * 64 * 64


def test_the_size_stays_bounded(make_replay: Callable[..., Replay], add_steps: Callable[..., None]) -> None:
    replay = make_replay(VECTOR, num_envs=2, rows_per_env=7)
    before = replay.nbytes
    add_steps(replay, VECTOR, num_envs=2, num_steps=40)
    assert replay.nbytes == before
    assert 7 <= len(replay) <= 14


@pytest.mark.parametrize(("capacity", "num_envs"), [(0, 1), (1, 1), (-3, 1), (15, 8)])
def test_a_capacity_without_room_for_a_step_is_refused(capacity: int, num_envs: int) -> None:
    with pytest.raises(ConfigError, match="replay_capacity"):
        Replay(ReplayConfig(replay_capacity=capacity), row_spec_of(VECTOR), num_envs=num_envs, seed=0)


def test_sampling_before_any_transition_is_refused(make_replay: Callable[..., Replay], make_step: Any) -> None:
    replay = make_replay(VECTOR, num_envs=2, rows_per_env=7)
    with pytest.raises(EmptyReplayError, match="0 steps"):
        replay.sample(5, num_steps=3)
    replay.add(make_step(np.random.default_rng(0), VECTOR, 2))
    with pytest.raises(EmptyReplayError, match="2 steps, none with a next observation"):
        replay.sample(5, num_steps=3)
    assert not replay.has_starts
    replay.add(make_step(np.random.default_rng(0), VECTOR, 2))
    assert replay.has_starts
    replay.sample(5, num_steps=3)


def spoilt(step: StepBatch, name: str, how: str) -> StepBatch:
    """Return the step with one array that is wrong in one way."""
    if name in step.fields:
        return with_field(step, name, spoilt_values(how, step.fields[name]))
    return replace(step, **{name: spoilt_values(how, getattr(step, name))})


def spoilt_values(how: str, values: np.ndarray) -> np.ndarray:
    match how:
        case "shape":
            return np.concatenate([values, values])
        case "dtype":
            return values.astype(np.complex64)
        case "nan" | "inf":
            values = values.copy()
            values[1] = float(how)
            return values
        case "large":
            return np.full(values.shape, 1e300)
    return values + {"above": 3, "below": -9, "wrapping": 2**32}[how]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in ("observations", "rewards", "policies") for how in ("shape", "dtype")),
        *(
            (name, how)
            for name in ("actions", "terminated", "truncated", "final_observations")
            for how in ("shape", "dtype")
        ),
        *(
            (name, how)
            for name in ("observations", "rewards", "policies", "final_observations")
            for how in ("nan", "inf")
        ),
        ("policies", "large"),
        ("actions", "above"),
        ("actions", "below"),
        ("actions", "wrapping"),
    ],
)
def test_a_step_that_cannot_be_learnt_from_is_refused_and_changes_nothing(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None], make_step: Any, name: str, how: str
) -> None:
    replay = make_replay(VECTOR, num_envs=2, rows_per_env=7)
    add_steps(replay, VECTOR, num_envs=2, num_steps=9)
    before = snapshot(replay)
    step = spoilt(make_step(np.random.default_rng(0), VECTOR, 2), name, how)
    with pytest.raises(EnvError, match=name):
        replay.add(step)
    after = snapshot(replay)
    assert before.keys() == after.keys()
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key])


def test_the_refusal_names_the_environment(make_replay: Callable[..., Replay], make_step: Any) -> None:
    step = make_step(np.random.default_rng(0), VECTOR, 3)
    step.fields["rewards"][2] = np.nan
    with pytest.raises(EnvError, match="rewards of environment 2"):
        make_replay(VECTOR, num_envs=3, rows_per_env=5).add(step)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8])
def test_images_that_are_not_bytes_are_refused(
    make_replay: Callable[..., Replay], make_step: Any, dtype: type[np.generic]
) -> None:
    step = make_step(np.random.default_rng(0), IMAGE, 3)
    step = with_field(step, "observations", step.fields["observations"].astype(dtype))
    with pytest.raises(EnvError, match="give unsigned bytes"):
        make_replay(IMAGE, num_envs=3, rows_per_env=5).add(step)


def test_every_start_is_drawn_equally_often(make_replay: Callable[..., Replay], add_steps: Callable[..., None]) -> None:
    replay = make_replay(VECTOR, num_envs=3, rows_per_env=17)
    add_steps(replay, VECTOR, num_envs=3, num_steps=29)
    num_draws = 60_000
    firsts = replay.sample(num_draws, num_steps=1).fields["observations"][:, 0]
    starts, counts = np.unique(firsts, axis=0, return_counts=True)
    assert len(replay) - 3 <= len(starts) <= len(replay)
    expected = num_draws / len(starts)
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - len(starts)) < 4 * np.sqrt(2 * len(starts))


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "running"])
def test_padding_actions_are_uniform(make_replay: Callable[..., Replay], make_step: Any, ends: bool) -> None:
    rng = np.random.default_rng(0)
    replay = make_replay(VECTOR, num_envs=1, rows_per_env=5)
    replay.add(make_step(rng, VECTOR, 1))
    replay.add(replace(make_step(rng, VECTOR, 1), terminated=np.array([ends])))
    segments = replay.sample(3_000, num_steps=6)
    first_padding = 3 if ends else 2
    counts = np.bincount(segments.fields["actions"][:, first_padding:].reshape(-1), minlength=3)
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=0.02)
    assert (segments.terminated == ends).all()


def test_samples_are_the_callers_own(make_replay: Callable[..., Replay], add_steps: Callable[..., None]) -> None:
    replay = make_replay(VECTOR, num_envs=2, rows_per_env=7)
    add_steps(replay, VECTOR, num_envs=2, num_steps=9)
    before = snapshot(replay)
    segments = replay.sample(8, num_steps=3)
    segments.fields["observations"][:] = -1
    segments.fields["policies"][:] = -1
    np.testing.assert_array_equal(before["observations.1"], replay.state_arrays()["observations.1"])
    np.testing.assert_array_equal(before["policies.0"], replay.state_arrays()["policies.0"])


REACH = EnvSpec(observation_shape=(4,), action_dim=2)


def test_a_continuous_row_costs_its_action_and_its_choices(make_replay: Callable[..., Replay]) -> None:
    row_bytes = 4 * 4 + 2 * 4 + 4 + NUM_SAMPLED * 4 + NUM_SAMPLED * 2 * 4 + 1
    assert make_replay(REACH, num_envs=3, rows_per_env=7).nbytes == 3 * 7 * row_bytes + 8 * 3


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("actions", np.float32(1.5), "actions of environment 2 hold 1.5; give numbers from -1 to 1"),
        ("actions", np.float32(np.nan), "actions of environment 2 hold NaN"),
        ("action_sets", np.float32(-1.25), "action_sets of environment 2 hold -1.25"),
        ("action_sets", np.float32(np.inf), "action_sets of environment 2 hold NaN or infinity"),
    ],
)
def test_continuous_actions_that_cannot_be_are_refused_and_nothing_is_lost(
    make_replay: Callable[..., Replay], make_step: Any, name: str, value: np.float32, words: str
) -> None:
    replay = make_replay(REACH, num_envs=3, rows_per_env=7)
    step = make_step(np.random.default_rng(0), REACH, 3)
    replay.add(step)
    broken = step.fields[name].copy()
    broken[2].reshape(-1)[-1] = value
    with pytest.raises(EnvError, match=words):
        replay.add(with_field(step, name, broken))
    assert len(replay) == 3


def test_continuous_steps_need_the_actions_that_their_policies_are_over(
    make_replay: Callable[..., Replay], make_step: Any
) -> None:
    step = make_step(np.random.default_rng(0), REACH, 3)
    rest = {name: values for name, values in step.fields.items() if name != "action_sets"}
    with pytest.raises(EnvError, match=r"a step holds \['actions'.*; the replay keeps \['action_sets'"):
        make_replay(REACH, num_envs=3, rows_per_env=7).add(replace(step, fields=rest))


def test_a_field_that_is_not_kept_is_refused(make_replay: Callable[..., Replay], make_step: Any) -> None:
    step = with_field(make_step(np.random.default_rng(0), VECTOR, 3), "moods", np.zeros(3, np.float32))
    with pytest.raises(EnvError, match=r"a step holds .*'moods'"):
        make_replay(VECTOR, num_envs=3, rows_per_env=7).add(step)


def test_a_replay_is_a_sink_of_steps(make_replay: Callable[..., Replay]) -> None:
    assert isinstance(make_replay(VECTOR, num_envs=1, rows_per_env=7), StepSink)


def test_steps_of_some_environments_come_to_what_steps_of_all_do(
    make_replay: Callable[..., Replay], make_step: Any
) -> None:
    rng, num_envs = np.random.default_rng(0), 4
    together, apart = (make_replay(VECTOR, num_envs=num_envs, rows_per_env=15) for _ in range(2))
    for _ in range(4):
        step = replace(make_step(rng, VECTOR, num_envs), truncated=np.arange(num_envs) % 2 == 0)
        together.add(step)
        for envs in (np.arange(1, num_envs), np.arange(1)):
            part = {name: values[envs] for name, values in step.fields.items()}
            ends = {name: getattr(step, name)[envs] for name in ("terminated", "truncated", "final_observations")}
            apart.add(StepBatch(fields=part, **ends), envs=envs)
    theirs = apart.state_arrays()
    for name, array in together.state_arrays().items():
        np.testing.assert_array_equal(array, theirs[name])


def test_running_episodes_can_be_ended_where_they_have_led(make_replay: Callable[..., Replay], make_step: Any) -> None:
    num_envs = 4
    replay = make_replay(VECTOR, num_envs=num_envs, rows_per_env=15)
    step = make_step(np.random.default_rng(0), VECTOR, num_envs)
    replay.add(replace(step, truncated=np.arange(num_envs) == 0))
    replay.end_episodes(np.arange(num_envs - 1), step.final_observations[:-1])
    arrays = replay.state_arrays()
    assert arrays["num_written"].tolist() == [2] * (num_envs - 1) + [1]
    assert len(replay) == num_envs
    for env in range(num_envs - 1):
        np.testing.assert_array_equal(arrays[f"observations.{env}"][1], step.final_observations[env])
