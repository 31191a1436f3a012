"""The presets of small worlds: MinAtar's games, MiniGrid's rooms, Gymnasium's toy texts, a task of memory."""

from dataclasses import replace

from kvzero.agent import AgentConfig
from kvzero.envs import EnvConfig
from kvzero.model import ModelConfig
from kvzero.replay import ReplayConfig
from kvzero.search import SearchConfig
from kvzero.training import LearnerConfig, ReanalysisConfig, RunConfig, ScheduleConfig

__all__ = ["memory", "minatar", "minigrid", "toytext"]


def _small(name: str) -> RunConfig:
    """Return what these presets have in common, under a name."""
    return RunConfig(
        preset=name,
        agent=AgentConfig(
            model=ModelConfig(embed_dim=64, context_tokens=16, encoder_channels=32),
            search=SearchConfig(num_simulations=25, discount=0.99),
        ),
        learner=LearnerConfig(batch_size=64, unroll_steps=10, bootstrap_steps=5),
        schedule=ScheduleConfig(replay_ratio=0.5),
    )


def minatar() -> RunConfig:
    """MinAtar's games (--env-id MinAtar/Asterix-v1): needs the extra `minatar`."""
    base = _small("minatar")
    search = SearchConfig(num_simulations=16, discount=0.99, rule="gumbel")
    return replace(
        base,
        env=EnvConfig(env_id="MinAtar/Breakout-v1", num_envs=8),
        agent=replace(base.agent, model=replace(base.agent.model, context_tokens=4), search=search),
        replay=ReplayConfig(sampler="recent"),
        reanalysis=ReanalysisConfig(reanalysed_rows=64),
        schedule=replace(
            base.schedule,
            total_env_steps=150_000,
            learning_starts=1_000,
            replay_ratio=0.25,
            eval_every=10_000,
            checkpoint_every=10_000,
            max_eval_steps=3_000,  # Freeway lasts 2,501; other games last as long as they are played well
        ),
    )


def minigrid() -> RunConfig:
    """MiniGrid's rooms (--env-id MiniGrid-DoorKey-5x5-v0): needs the extra `minigrid`."""
    base = _small("minigrid")
    model = replace(
        base.agent.model, context_tokens=32
    )  # an agent sees a part of the room, and has to remember the rest
    return replace(
        base,
        env=EnvConfig(env_id="MiniGrid-Empty-5x5-v0", num_envs=8),
        agent=replace(base.agent, model=model),
        schedule=replace(base.schedule, total_env_steps=30_000, learning_starts=1_000),
    )


def toytext() -> RunConfig:
    """Gymnasium's toy texts: FrozenLake, Taxi, Blackjack (--env-id Blackjack-v1)."""
    base = _small("toytext")
    return replace(
        base,
        env=EnvConfig(env_id="FrozenLake-v1", num_envs=8),
        schedule=replace(base.schedule, total_env_steps=20_000, learning_starts=1_000),
    )


def memory() -> RunConfig:
    """POPGym's RepeatPrevious: say what was shown four steps ago; needs the extra `popgym`."""
    base = _small("memory")
    # Only the next reward depends on an action, so that much of what else is to come would only blur the difference.
    search = replace(base.agent.search, discount=0.9)
    return replace(
        base,
        env=EnvConfig(env_id="popgym-RepeatPreviousEasy-v0", num_envs=8, reward_scale=48.0),
        agent=replace(base.agent, model=replace(base.agent.model, context_tokens=32), search=search),
        # Long enough for most steps of an unroll to have what they must remember before them.
        learner=replace(base.learner, unroll_steps=20, bootstrap_steps=3),
        schedule=replace(base.schedule, total_env_steps=12_000, eval_every=1_000),
    )
