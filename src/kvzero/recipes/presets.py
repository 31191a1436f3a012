"""The presets: functions that return a whole run's config."""

from collections.abc import Callable
from dataclasses import replace

from kvzero.agent import AgentConfig
from kvzero.envs import EnvConfig
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.recipes.continuous import dmc, dmc_pixels, mujoco, pendulum
from kvzero.recipes.small_worlds import memory, minatar, minigrid, toytext
from kvzero.replay import ReplayConfig
from kvzero.search import PuctConfig, SearchConfig
from kvzero.training import LearnerConfig, ReanalysisConfig, RunConfig, ScheduleConfig

__all__ = ["PRESETS", "preset"]


def _vectors(name: str) -> RunConfig:
    """Return what the presets for vectors and numbered actions have in common, under a name.

    The documentation's page *What was tried* has what was measured, and how few runs it stands on.
    """
    return RunConfig(
        preset=name,
        agent=AgentConfig(
            model=ModelConfig(normalize_observations=True), search=SearchConfig(puct=PuctConfig(pb_c_init=0.4))
        ),
        replay=ReplayConfig(sampler="recent"),
        learner=LearnerConfig(batch_size=64, bootstrap_steps=5),
        reanalysis=ReanalysisConfig(reanalysed_rows=64),
        schedule=ScheduleConfig(replay_ratio=0.5, final_temperature=1.0),
    )


def cartpole() -> RunConfig:
    """CartPole-v1 in minutes on two cores; what `make train` runs."""
    base = _vectors("cartpole")
    return replace(
        base,
        agent=replace(base.agent, search=replace(base.agent.search, discount=0.98)),
        learner=replace(base.learner, ema_rate=0.1),
        schedule=replace(base.schedule, total_env_steps=10_000),
    )


def acrobot() -> RunConfig:
    """Acrobot-v1: a reward that single actions do not lead to."""
    base = _vectors("acrobot")
    return replace(
        base,
        env=EnvConfig(env_id="Acrobot-v1"),
        schedule=replace(base.schedule, total_env_steps=30_000, persistence=0.5),
    )


def lunarlander() -> RunConfig:
    """LunarLander-v3: needs the extra `box2d`."""
    base = _vectors("lunarlander")
    model = replace(base.agent.model, embed_dim=128, num_heads=8)
    return replace(
        base,
        env=EnvConfig(env_id="LunarLander-v3"),
        agent=replace(base.agent, model=model),
        schedule=replace(base.schedule, total_env_steps=100_000, eval_every=10_000, checkpoint_every=10_000),
    )


def atari() -> RunConfig:
    """Any Atari game at the size of LightZero's UniZero: meant for a GPU."""
    return RunConfig(
        preset="atari",
        env=EnvConfig(env_id="ALE/Pong-v5", num_envs=8),
        agent=AgentConfig(
            model=ModelConfig(
                embed_dim=768,
                num_layers=2,
                num_heads=8,
                context_tokens=8,
                support_size=601,
                encoder_channels=64,
                encoder_blocks=1,
                normalize_observations=True,  # else what never moves is nearly all that a latent tells
            ),
            search=SearchConfig(num_simulations=25),
            num_eval_simulations=50,
        ),
        replay=ReplayConfig(replay_capacity=100_000),
        learner=LearnerConfig(
            batch_size=64,
            unroll_steps=10,
            bootstrap_steps=5,
            learning_rate=1e-4,
            ema_rate=0.01,
            weight_decay=1e-4,
            arithmetic="plain",  # on GPUs, which this is meant for, there is nothing to gain
        ),
        schedule=ScheduleConfig(
            total_env_steps=400_000,
            learning_starts=200,
            replay_ratio=0.25,
            round_env_steps=80,
            eval_every=20_000,
            eval_episodes=4,
            final_eval_episodes=8,
            checkpoint_every=20_000,
            log_every=1_000,
        ),
    )


def atari_small() -> RunConfig:
    """Any Atari game in grey, sized for two CPU cores: 100,000 steps of Pong in 2.5 hours."""
    base = atari()
    model = replace(
        base.agent.model, embed_dim=128, num_heads=4, support_size=101, image_encoder="strided", encoder_channels=64
    )
    return replace(
        base,
        preset="atari-small",
        # Two frames show where things move to. The context shows it too, but not at the first step of an unroll.
        env=replace(base.env, grayscale=True, frame_stack=2),
        # A game's end is far, its next point near: the value of a far horizon hardly tells one position from another.
        agent=AgentConfig(
            model=model, search=replace(base.agent.search, rule="gumbel", num_simulations=50, discount=0.98)
        ),
        replay=replace(base.replay, sampler="recent", recent_rows=10_000),
        reanalysis=ReanalysisConfig(reanalysed_rows=32),
        learner=replace(
            base.learner,
            batch_size=64,
            unroll_steps=5,
            learning_rate=3e-4,
            warmup_updates=500,
            weight_decay=1e-2,
            shift_pixels=3,  # each row is trained on 160 times: without shifts frames are known by heart
            arithmetic="fast",
        ),
        schedule=replace(
            base.schedule,
            total_env_steps=100_000,
            learning_starts=1_000,
            replay_ratio=0.5,
            eval_every=10_000,
            eval_episodes=4,
            final_eval_episodes=8,
            checkpoint_every=5_000,
            log_every=500,
        ),
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    "cartpole": cartpole,
    "acrobot": acrobot,
    "lunarlander": lunarlander,
    "atari": atari,
    "atari-small": atari_small,
    "pendulum": pendulum,
    "dmc": dmc,
    "dmc-pixels": dmc_pixels,
    "mujoco": mujoco,
    "minatar": minatar,
    "minigrid": minigrid,
    "toytext": toytext,
    "memory": memory,
}


def preset(name: str) -> RunConfig:
    """Return the config called `name`.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()
