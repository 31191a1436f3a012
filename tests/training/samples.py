"""The smallest things that training needs: a config, a network, a batch, a filled replay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests.training.environments import ACTIONS, FEATURES

from kvzero import (
    AgentConfig,
    EnvConfig,
    LearnerConfig,
    ModelConfig,
    Network,
    ReplayConfig,
    RunConfig,
    ScheduleConfig,
    SearchConfig,
)
from kvzero.engines import SamplingConfig
from kvzero.records import EnvSpec
from kvzero.replay import Replay, Segments, StepBatch, build_row_spec
from kvzero.training import Learner

SPEC = EnvSpec(observation_shape=(FEATURES,), num_actions=ACTIONS)
NUM_ENVS = 2
MODEL = ModelConfig(embed_dim=8, num_layers=1, num_heads=2, context_tokens=6, support_size=11, encoder_width=12)
LEARNER = LearnerConfig(batch_size=4, unroll_steps=3, bootstrap_steps=2, learning_rate=1e-2)


def tiny_config(runs_dir: Path, *, run_name: str | None = None, environment: str = "Ladder", **schedule) -> RunConfig:
    """Return a run of a second or two: 40 steps, updates from step 12 on, one evaluation, three checkpoints."""
    plan = ScheduleConfig(
        total_env_steps=40,
        learning_starts=12,
        replay_ratio=0.25,
        round_env_steps=4,
        eval_every=20,
        eval_episodes=2,
        final_eval_episodes=3,
        checkpoint_every=12,
        log_every=4,
    )
    return RunConfig(
        preset="tiny",
        device="cpu",
        runs_dir=str(runs_dir),
        run_name=run_name,
        env=EnvConfig(env_id=f"tests.training.environments:{environment}", num_envs=NUM_ENVS),
        agent=AgentConfig(model=MODEL, search=SearchConfig(num_simulations=3)),
        replay=ReplayConfig(replay_capacity=60),
        learner=LEARNER,
        schedule=replace(plan, **schedule),
    )


def continuous_config(runs_dir: Path, *, run_name: str | None = None, **schedule) -> RunConfig:
    """Return a tiny run whose actions are two numbers, and whose observations are normalised."""
    config = tiny_config(runs_dir, run_name=run_name, environment="Reach", **schedule)
    model = replace(MODEL, normalize_observations=True)
    sampling = SamplingConfig(num_sampled_actions=5, num_wide_actions=2)
    return replace(config, agent=replace(config.agent, model=model, sampling=sampling))


def tiny_network(seed: int = 0, model: ModelConfig = MODEL, spec: EnvSpec = SPEC) -> Network:
    """Return a network whose heads say something: their zeros are made small random numbers."""
    torch.manual_seed(seed)
    network = Network(model, spec)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return network


def tiny_learner(config: LearnerConfig = LEARNER, *, total_updates: int = 50, seed: int = 0) -> Learner:
    return Learner(tiny_network(seed), config, discount=0.9, total_updates=total_updates)


def filled_replay(*, num_steps: int = 20, seed: int = 0, replay_capacity: int = 60) -> Replay:
    """Return a replay of episodes that end in every way."""
    rng = np.random.default_rng(seed)
    config = ReplayConfig(replay_capacity=replay_capacity)
    replay = Replay(config, build_row_spec(SPEC), num_envs=NUM_ENVS, seed=seed)
    for _ in range(num_steps):
        replay.add(random_step(rng))
    return replay


def random_step(rng: np.random.Generator) -> StepBatch:
    terminated = rng.random(NUM_ENVS) < 0.15
    return StepBatch(
        fields={
            "observations": rng.normal(size=(NUM_ENVS, FEATURES)).astype(np.float32),
            "actions": rng.integers(ACTIONS, size=NUM_ENVS),
            "rewards": rng.normal(size=NUM_ENVS).astype(np.float32),
            "policies": rng.dirichlet(np.ones(ACTIONS), size=NUM_ENVS).astype(np.float32),
        },
        terminated=terminated,
        truncated=(rng.random(NUM_ENVS) < 0.1) & ~terminated,
        final_observations=rng.normal(size=(NUM_ENVS, FEATURES)).astype(np.float32),
    )


def some_segments(learner: Learner, *, batch_size: int = 6, seed: int = 0) -> Segments:
    return filled_replay(seed=seed).sample(batch_size, num_steps=learner.segment_steps)
