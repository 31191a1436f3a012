"""The presets whose actions are continuous: sampled search on Pendulum, DeepMind Control and MuJoCo."""

from dataclasses import replace

from kvzero.agent import AgentConfig
from kvzero.envs import EnvConfig
from kvzero.model import ModelConfig
from kvzero.replay import ReplayConfig
from kvzero.search import SearchConfig
from kvzero.training import LearnerConfig, RunConfig

__all__ = ["dmc", "dmc_pixels", "mujoco", "pendulum"]


def _continuous(name: str) -> RunConfig:
    """Return what these presets have in common, under a name."""
    return RunConfig(
        preset=name,
        agent=AgentConfig(
            model=ModelConfig(context_tokens=16, normalize_observations=True),
            search=SearchConfig(num_simulations=50, discount=0.99),
        ),
        learner=LearnerConfig(
            batch_size=64,
            bootstrap_steps=5,
            latent_weight=10.0,
            reward_weight=0.1,
            value_weight=0.1,
            policy_weight=0.1,
            arithmetic="plain",  # with which the published runs were made
        ),
    )


def pendulum() -> RunConfig:
    """Pendulum-v1: the smallest run with continuous actions."""
    base = _continuous("pendulum")
    return replace(
        base,
        env=EnvConfig(env_id="Pendulum-v1", num_envs=8),
        learner=replace(base.learner, entropy_weight=0.03),  # a narrow policy may hang where full torque holds it still
        schedule=replace(base.schedule, total_env_steps=30_000),
    )


def dmc() -> RunConfig:
    """DeepMind Control from states (--task walker-walk): needs the extra `dmc`."""
    base = _continuous("dmc")
    return replace(
        base,
        env=EnvConfig(env_id="dmc", task="cartpole-swingup", action_repeat=2, num_envs=8),
        schedule=replace(base.schedule, total_env_steps=50_000, learning_starts=1_000, num_eval_envs=10),
    )


def dmc_pixels() -> RunConfig:
    """DeepMind Control from 64x64 images: needs the extra `dmc` and EGL or OSMesa."""
    base = dmc()
    model = replace(base.agent.model, embed_dim=128, normalize_observations=False, encoder_channels=32)
    return replace(
        base,
        preset="dmc-pixels",
        env=replace(base.env, from_pixels=True, num_env_workers=2),
        agent=replace(base.agent, model=model, search=replace(base.agent.search, num_simulations=25)),
        replay=ReplayConfig(replay_capacity=50_000),
        learner=replace(base.learner, batch_size=32, unroll_steps=5, learning_rate=5e-4),
        schedule=replace(base.schedule, replay_ratio=0.125, num_eval_envs=4, eval_episodes=4, final_eval_episodes=8),
    )


def mujoco() -> RunConfig:
    """Gymnasium's MuJoCo tasks (--env-id Hopper-v5): needs the extra `mujoco`."""
    base = _continuous("mujoco")
    model = replace(base.agent.model, embed_dim=128, num_heads=8)
    return replace(
        base,
        env=EnvConfig(env_id="HalfCheetah-v5", num_envs=8),
        agent=replace(base.agent, model=model),
        schedule=replace(
            base.schedule,
            total_env_steps=200_000,
            learning_starts=2_000,
            eval_every=20_000,
            checkpoint_every=10_000,
            num_eval_envs=10,
        ),
    )
