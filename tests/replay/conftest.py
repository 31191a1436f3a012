"""Random steps to fill replays with; every observation is different from every other."""

from collections.abc import Callable

import numpy as np
import pytest

from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig

Step = dict[str, np.ndarray]

NUM_SAMPLED = 6


def random_step(rng: np.random.Generator, spec: EnvSpec, num_envs: int) -> Step:
    shape = (num_envs, *spec.observation_shape)

    def observe() -> np.ndarray:
        return rng.integers(256, size=shape, dtype=np.uint8) if spec.is_image else rng.random(shape, dtype=np.float32)

    def act(*shape: int) -> np.ndarray:
        if spec.is_continuous:
            return rng.uniform(-1, 1, (*shape, spec.action_dim)).astype(np.float32)
        return rng.integers(spec.num_actions, size=shape)

    num_choices = NUM_SAMPLED if spec.is_continuous else spec.num_actions
    step = {
        "observations": observe(),
        "actions": act(num_envs),
        "rewards": rng.normal(size=num_envs).astype(np.float32),
        "policies": rng.dirichlet(np.ones(num_choices), size=num_envs),
        "root_values": rng.normal(size=num_envs),
        "terminated": np.zeros(num_envs, np.bool_),
        "truncated": np.zeros(num_envs, np.bool_),
        "final_observations": observe(),
    }
    return {**step, "action_sets": act(num_envs, num_choices)} if spec.is_continuous else step


def new_replay(spec: EnvSpec, *, num_envs: int, rows_per_env: int, seed: int = 0) -> Replay:
    num_sampled_actions = NUM_SAMPLED if spec.is_continuous else 0
    config = ReplayConfig(replay_capacity=num_envs * rows_per_env)
    return Replay(config, spec, num_envs=num_envs, seed=seed, num_sampled_actions=num_sampled_actions)


def fill(replay: Replay, spec: EnvSpec, *, num_envs: int, num_steps: int, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(num_steps):
        step = random_step(rng, spec, num_envs)
        replay.add(**{**step, "terminated": rng.random(num_envs) < 0.15, "truncated": rng.random(num_envs) < 0.1})


@pytest.fixture
def make_step() -> Callable[..., Step]:
    return random_step


@pytest.fixture
def make_replay() -> Callable[..., Replay]:
    return new_replay


@pytest.fixture
def add_steps() -> Callable[..., None]:
    return fill
