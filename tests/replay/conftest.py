"""Random steps to fill replays with; every observation is different from every other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, RowSpec, Segments, StepBatch, build_row_spec
from kvzero.replay.config import SamplerKind

NUM_SAMPLED = 6


def random_step(rng: np.random.Generator, spec: EnvSpec, num_envs: int) -> StepBatch:
    shape = (num_envs, *spec.observation_shape)

    def observe() -> np.ndarray:
        return rng.integers(256, size=shape, dtype=np.uint8) if spec.is_image else rng.random(shape, dtype=np.float32)

    def act(*shape: int) -> np.ndarray:
        if spec.is_continuous:
            return rng.uniform(-1, 1, (*shape, spec.action_dim)).astype(np.float32)
        return rng.integers(spec.num_actions, size=shape)

    num_choices = NUM_SAMPLED if spec.is_continuous else spec.num_actions
    return StepBatch(
        fields={
            "observations": observe(),
            "actions": act(num_envs),
            "rewards": rng.normal(size=num_envs).astype(np.float32),
            "policies": rng.dirichlet(np.ones(num_choices), size=num_envs),
            **({"action_sets": act(num_envs, num_choices)} if spec.is_continuous else {}),
        },
        terminated=np.zeros(num_envs, np.bool_),
        truncated=np.zeros(num_envs, np.bool_),
        final_observations=observe(),
    )


def with_field(step: StepBatch, name: str, values: np.ndarray) -> StepBatch:
    return replace(step, fields={**step.fields, name: values})


def row_spec_of(spec: EnvSpec) -> RowSpec:
    return build_row_spec(spec, num_sampled_actions=NUM_SAMPLED if spec.is_continuous else 0)


def new_replay(
    spec: EnvSpec, *, num_envs: int, rows_per_env: int, seed: int = 0, sampler: SamplerKind = "uniform"
) -> Replay:
    config = ReplayConfig(replay_capacity=num_envs * rows_per_env, sampler=sampler)
    return Replay(config, row_spec_of(spec), num_envs=num_envs, seed=seed)


def assert_same(left: Segments, right: Segments) -> None:
    assert left.fields.keys() == right.fields.keys()
    for name, values in left.fields.items():
        np.testing.assert_array_equal(values, right.fields[name])
    np.testing.assert_array_equal(left.ends, right.ends)
    np.testing.assert_array_equal(left.terminated, right.terminated)
    np.testing.assert_array_equal(left.places, right.places)
    if left.weights is None or right.weights is None:
        assert left.weights is right.weights
    else:
        np.testing.assert_array_equal(left.weights, right.weights)


def fill(replay: Replay, spec: EnvSpec, *, num_envs: int, num_steps: int, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(num_steps):
        step = random_step(rng, spec, num_envs)
        replay.add(replace(step, terminated=rng.random(num_envs) < 0.15, truncated=rng.random(num_envs) < 0.1))


@pytest.fixture
def make_step() -> Callable[..., StepBatch]:
    return random_step


@pytest.fixture
def make_replay() -> Callable[..., Replay]:
    return new_replay


@pytest.fixture
def add_steps() -> Callable[..., None]:
    return fill
