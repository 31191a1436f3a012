"""The knobs of a whole run: learner, schedule and everything below them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, get_args

from kvzero.agent import AgentConfig
from kvzero.checks import read_fields
from kvzero.envs import EnvConfig
from kvzero.errors import ConfigError
from kvzero.model import LOSS_WEIGHTS, LatentLoss, LossWeights
from kvzero.replay import ReplayConfig

__all__ = ["LearnerConfig", "Precision", "RunConfig", "ScheduleConfig"]

Precision = Literal["auto", "float32"]


def _check(config: object, name: str, is_allowed: Callable[[Any], bool], wanted: str) -> None:
    """Refuse the value of a field."""
    value = getattr(config, name)
    if not is_allowed(value):
        raise ConfigError(f"{name} is {value!r}; {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """How one gradient step is made."""

    batch_size: int = 128
    """Unrolls per update."""

    unroll_steps: int = 10
    """Environment steps per unroll (H)."""

    bootstrap_steps: int = 10
    """Rewards summed before the EMA network's value takes over (n)."""

    learning_rate: float = 1e-3
    """Step size of AdamW at its highest."""

    final_learning_rate_share: float = 0.1
    """Share of the learning rate that is left when the run ends; it falls linearly."""

    weight_decay: float = 1e-4
    """Decay of AdamW, on matrices only."""

    max_gradient_norm: float = 5.0
    """Gradients longer than this are shortened to it."""

    ema_rate: float = 0.02
    """How far the EMA network moves towards the network after each update."""

    latent_loss: LatentLoss = "group_kl"
    """Distance between a predicted latent and the EMA encoder's; group_kl needs latent_norm=simnorm."""

    latent_weight: float = LOSS_WEIGHTS.latent
    """Weight of the latent loss."""

    reward_weight: float = LOSS_WEIGHTS.reward
    """Weight of the reward's cross-entropy."""

    value_weight: float = LOSS_WEIGHTS.value
    """Weight of the value's cross-entropy."""

    policy_weight: float = LOSS_WEIGHTS.policy
    """Weight of the policy's cross-entropy."""

    entropy_weight: float = LOSS_WEIGHTS.entropy
    """Weight of the policy's entropy, inside the policy loss."""

    precision: Precision = "auto"
    """auto trains in bfloat16 autocast where the device is a GPU that has it; float32 never does."""

    def __post_init__(self) -> None:
        read_fields(self)
        positive = ("learning_rate", "max_gradient_norm")
        weights = ("latent_weight", "reward_weight", "value_weight", "policy_weight", "entropy_weight")
        for name in ("batch_size", "unroll_steps", "bootstrap_steps"):
            _check(self, name, lambda value: value >= 1, "give at least 1")
        for name in positive:
            _check(self, name, lambda value: 0 < value < inf, "give a positive number")
        for name in (*weights, "weight_decay"):
            _check(self, name, lambda value: 0 <= value < inf, "give 0 or more")
        for name in ("ema_rate", "final_learning_rate_share"):
            _check(self, name, lambda value: 0 < value <= 1, "give a share above 0 and up to 1")
        for name, choices in (("latent_loss", get_args(LatentLoss)), ("precision", get_args(Precision))):
            _check(self, name, choices.__contains__, f"choose one of {', '.join(choices)}")

    @property
    def loss_weights(self) -> LossWeights:
        """How much each loss counts."""
        return LossWeights(
            latent=self.latent_weight,
            reward=self.reward_weight,
            value=self.value_weight,
            policy=self.policy_weight,
            entropy=self.entropy_weight,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """When a run collects, updates, evaluates and saves; counted in environment steps over all environments."""

    total_env_steps: int = 15_000
    """Environment steps after which the run ends."""

    learning_starts: int = 500
    """Environment steps collected before the first update."""

    replay_ratio: float = 0.25
    """Updates per environment step."""

    round_env_steps: int = 64
    """Environment steps collected between two blocks of updates."""

    first_temperature: float = 1.0
    """Temperature of visit counts from which actions are drawn when the run begins."""

    final_temperature: float = 0.25
    """That temperature once it has fallen; it falls linearly."""

    temperature_env_steps: int | None = None
    """Environment steps over which the temperature falls; half of the run if not given."""

    eval_every: int = 5_000
    """Environment steps between evaluations."""

    eval_episodes: int = 8
    """Episodes per evaluation on the way."""

    final_eval_episodes: int = 20
    """Episodes of the evaluation that ends the run."""

    num_eval_envs: int = 20
    """Environments played at once while evaluating, at most one per episode."""

    max_eval_steps: int | None = None
    """Steps after which an evaluation game is cut off and counted as it stands; total_env_steps if not given."""

    checkpoint_every: int = 5_000
    """Environment steps between checkpoints."""

    keep_checkpoints: int = 2
    """Checkpoints kept; older ones are deleted."""

    log_every: int = 500
    """Environment steps between lines of metrics."""

    def __post_init__(self) -> None:
        read_fields(self)
        for name in (
            "total_env_steps", "round_env_steps", "eval_every", "eval_episodes", "final_eval_episodes", "num_eval_envs",
            "checkpoint_every", "keep_checkpoints", "log_every",
        ):  # fmt: skip
            _check(self, name, lambda value: value >= 1, "give at least 1")
        for name in ("temperature_env_steps", "max_eval_steps"):
            _check(self, name, lambda value: value is None or value >= 1, "give at least 1, or nothing")
        for name in ("learning_starts", "replay_ratio"):
            _check(self, name, lambda value: 0 <= value < inf, "give 0 or more")
        for name in ("first_temperature", "final_temperature"):
            _check(self, name, lambda value: 0 < value < inf, "give a positive number")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A whole run."""

    preset: str
    """Name of the preset that this config began as."""

    seed: int = 0
    """Seed of weights, environments, search and replay."""

    device: str = "auto"
    """Where networks live: cpu, cuda, cuda:N, or auto for the best that there is."""

    num_threads: int | None = None
    """CPU threads that PyTorch computes with, 1 where others are busy too; PyTorch's own choice if not given."""

    runs_dir: str = "runs"
    """Folder that run folders are made in."""

    run_name: str | None = None
    """Name of the run's folder; preset, seed and time if not given."""

    env: EnvConfig = field(default_factory=EnvConfig)
    """The environments."""

    agent: AgentConfig = field(default_factory=AgentConfig)
    """The agent."""

    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """The replay buffer."""

    learner: LearnerConfig = field(default_factory=LearnerConfig)
    """The learner."""

    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """The schedule."""

    def __post_init__(self) -> None:
        read_fields(self)
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; give 0 or more")
        _check(self, "num_threads", lambda value: value is None or value >= 1, "give at least 1, or nothing")
        if self.learner.latent_loss == "group_kl" and self.agent.model.latent_norm != "simnorm":
            raise ConfigError(
                f"latent_loss is group_kl but latent_norm is {self.agent.model.latent_norm}; "
                "group_kl compares simplices: use latent_norm=simnorm, or latent_loss=mse or smooth_l1"
            )
        self._check_positions()
        self._check_pools()

    def _check_positions(self) -> None:
        model, num_tokens = self.agent.model, 2 * (self.learner.unroll_steps + self.learner.bootstrap_steps)
        if model.positions == "learned" and num_tokens > model.max_tokens:
            raise ConfigError(
                f"max_tokens is {model.max_tokens}, but unroll_steps {self.learner.unroll_steps} and bootstrap_steps "
                f"{self.learner.bootstrap_steps} make training windows of {num_tokens} tokens; give max_tokens at "
                "least that many, or shorten the windows"
            )

    def _check_pools(self) -> None:
        """Refuse pools that would do for collecting and only then turn out not to do for an evaluation."""
        agent, schedule = self.agent, self.schedule
        collecting = agent.search.num_simulations
        agent.check_pools(num_envs=self.env.num_envs, num_simulations=collecting)
        num_eval_envs = min(max(schedule.eval_episodes, schedule.final_eval_episodes), schedule.num_eval_envs)
        agent.check_pools(num_envs=num_eval_envs, num_simulations=agent.num_eval_simulations or collecting)
