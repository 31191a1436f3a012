"""Presets of each kind of world that the inspector shows, made so small that they are trained in a second."""

from dataclasses import replace
from pathlib import Path

import pytest

from kvzero import AgentConfig, ReplayConfig, RunConfig, ScheduleConfig, SearchConfig, preset
from kvzero.model import ModelConfig

KINDS = ("cartpole", "pong", "pendulum", "memory", "pooled")
NUM_SIMULATIONS = 7
MODEL = ModelConfig(embed_dim=16, num_layers=2, num_heads=2, context_tokens=6, support_size=11)
SCHEDULE = ScheduleConfig(
    total_env_steps=24, learning_starts=12, round_env_steps=12, replay_ratio=0.25, final_eval_episodes=1,
    max_eval_steps=30, open_loop_steps=0,
)  # fmt: skip


def tiny(kind: str, runs_dir: Path) -> RunConfig:
    """Return a preset made small: a few steps and updates, a network of a few numbers."""
    if kind == "pong":
        pytest.importorskip("ale_py")
    if kind == "memory":
        pytest.importorskip("popgym")
    base = preset({"pong": "atari-small", "pooled": "cartpole"}.get(kind, kind))
    model = replace(MODEL, image_encoder="strided", encoder_channels=16) if kind == "pong" else MODEL
    rule = "gumbel" if kind == "memory" else "puct"
    search = SearchConfig(num_simulations=NUM_SIMULATIONS, rule=rule)
    agent = AgentConfig(model=model, search=search, store="pooled" if kind == "pooled" else "tree")
    learner = replace(
        base.learner, batch_size=4, unroll_steps=3, bootstrap_steps=2, learning_rate=3e-2, warmup_updates=0
    )
    return replace(
        base,
        device="cpu",
        runs_dir=str(runs_dir),
        run_name=kind,
        num_threads=1,
        sinks=(),
        env=replace(base.env, num_envs=2),
        agent=agent,
        learner=learner,
        replay=ReplayConfig(replay_capacity=60),
        schedule=SCHEDULE,
    )
