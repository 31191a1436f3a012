"""The knobs of a whole run: the schedule, and everything below it."""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, NamedTuple, get_args

import numpy as np

from kvzero.agent import AgentConfig, refuse_inexact
from kvzero.cache import TierConfig
from kvzero.checks import changed_fields, check_field, read_fields
from kvzero.envs import EnvConfig
from kvzero.errors import ConfigError
from kvzero.model import check_images
from kvzero.replay import ReplayConfig
from kvzero.reports import SinkName, check_monitor
from kvzero.training.distributed import DistributedConfig
from kvzero.training.learning import ROWS_AT_ONCE, LearnerConfig, ReanalysisConfig

__all__ = ["Exploration", "Purpose", "RunConfig", "ScheduleConfig"]

ROUNDING = 1e-9
"""How far a share of a number may be from what it should be."""

Purpose = Literal["weights", "replay", "search", "collect", "eval", "final", "shift", "reanalysis"]
"""What random numbers of a run are for; each draws its own."""


class Exploration(NamedTuple):
    """How much chance there is in what one step of all environments plays."""

    temperature: float
    """Of visit counts from which actions are drawn."""

    epsilon: float = 0.0
    """Probability of an action that is drawn evenly in its place."""


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
    """Temperature of visit counts from which actions are drawn when the run begins; rule=gumbel knows none."""

    final_temperature: float = 0.25
    """That temperature once it has fallen; it falls linearly."""

    temperature_env_steps: int | None = None
    """Environment steps over which the temperature falls; half of the run if not given."""

    epsilon: float = 0.0
    """Probability that an action played while collecting is drawn evenly from the legal ones in place of the one that
    was chosen (epsilon-greedy). The policy that is learnt stays the search's."""

    final_epsilon: float | None = None
    """That probability once it has changed, linearly; it stays what it was if not given."""

    epsilon_env_steps: int | None = None
    """Environment steps over which it changes; half of the run if not given."""

    persistence: float = 0.0
    """Probability that an action chosen while collecting is played again for one to 25 more steps, most often for one
    (as in ez-greedy, Dabney et al. 2021): for worlds in which actions that are drawn anew each step lead nowhere."""

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

    evaluate_beside: bool = False
    """Play the evaluations on the way in a process of their own while training goes on, in the cluster if the run has
    one; each has the weights of when it was due. Training waits where another one is due before it has ended."""

    film_evaluations: bool = False
    """Record the games of one environment in each evaluation, into the run's folder and for the sinks; needs the extra
    `video`."""

    open_loop_steps: int = 10
    """Depth down to which an evaluation compares predictions on predicted latents with what was played; 0 for none."""

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
            check_field(self, name, lambda value: value >= 1, "give at least 1")
        for name in ("temperature_env_steps", "epsilon_env_steps", "max_eval_steps"):
            check_field(self, name, lambda value: value is None or value >= 1, "give at least 1, or nothing")
        for name in ("learning_starts", "replay_ratio", "open_loop_steps"):
            check_field(self, name, lambda value: 0 <= value < inf, "give 0 or more")
        for name in ("first_temperature", "final_temperature"):
            check_field(self, name, lambda value: 0 < value < inf, "give a positive number")
        for name in ("epsilon", "persistence"):
            check_field(self, name, lambda share: 0 <= share <= 1, "give a probability, from 0 to 1")
        check_field(
            self, "final_epsilon", lambda share: share is None or 0 <= share <= 1, "give a probability, or nothing"
        )
        if self.epsilon_env_steps is not None and self.final_epsilon is None:
            raise ConfigError(
                f"epsilon_env_steps is {self.epsilon_env_steps}, but epsilon stays as it is; give final_epsilon as well"
            )

    def end_of_round(self, env_steps: int) -> int:
        """Return how many environment steps are to be collected when a round ends that begins after so many."""
        return min(env_steps + self.round_env_steps, self.total_env_steps)

    def exploration_at(self, env_steps: int) -> Exploration:
        """Return how much chance there is in what is played after so many environment steps."""
        return Exploration(
            self._between(self.first_temperature, self.final_temperature, self.temperature_env_steps, env_steps),
            self._between(self.epsilon, self.final_epsilon, self.epsilon_env_steps, env_steps),
        )

    def _between(self, first: float, final: float | None, within: int | None, env_steps: int) -> float:
        passed = min(env_steps / (within or self.total_env_steps / 2), 1.0)
        return first if final is None else first + passed * (final - first)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A whole run."""

    preset: str
    """Name of the preset that this config began as; on the command line it comes first, without a flag."""

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

    sinks: tuple[SinkName, ...] = ("tensorboard",)
    """Where figures go beside metrics.jsonl, which every run has."""

    monitor: str | None = None
    """Where Prometheus can ask for the figures while the run goes on: PORT, 0 for any free one, or HOST:PORT for
    other machines to ask; needs the extra `monitor`."""

    env: EnvConfig = field(default_factory=EnvConfig)
    """The environments."""

    agent: AgentConfig = field(default_factory=AgentConfig)
    """The agent."""

    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """The replay buffer."""

    learner: LearnerConfig = field(default_factory=LearnerConfig)
    """The learner."""

    reanalysis: ReanalysisConfig = field(default_factory=ReanalysisConfig)
    """Reanalysis."""

    tiers: TierConfig = field(default_factory=TierConfig)
    """What outlives the run."""

    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """The schedule."""

    distributed: DistributedConfig = field(default_factory=DistributedConfig)
    """Who collects and searches rows again, if not this process alone."""

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(self, "seed", lambda value: value >= 0, "give 0 or more")
        check_field(self, "num_threads", lambda value: value is None or value >= 1, "give at least 1, or nothing")
        check_field(self, "sinks", lambda names: len(set(names)) == len(names), "name each once")
        if self.monitor is not None:
            check_monitor(self.monitor)
        if self.learner.latent_loss == "group_kl" and self.agent.model.latent_norm != "simnorm":
            raise ConfigError(
                f"latent_loss is group_kl but latent_norm is {self.agent.model.latent_norm}; "
                "group_kl compares simplices: use latent_norm=simnorm, or latent_loss=mse or smooth_l1"
            )
        self._check_results()
        self._check_reanalysers()
        self._check_images()
        self._check_positions()
        self._check_pools()
        self._check_temperatures()
        self._check_schedules()
        if self.distributed.collectors is not None:  # before any of them is started
            self.replay.rows_per_env(self.num_collecting_envs)

    @property
    def total_updates(self) -> int:
        """Updates that the run makes, those that `learning_starts` saves included."""
        return int(self.schedule.total_env_steps * self.schedule.replay_ratio)

    @property
    def keeps_searches(self) -> bool:
        """Whether rows of the replay keep what searches found, to be searched again or to learn values from."""
        return self.reanalysis.reanalysed_rows > 0 or self.learner.reads_searches

    @property
    def keeps_results(self) -> bool:
        """Whether what searches of reanalysis found is kept, to be taken again."""
        return bool(self.tiers.tier) or self.reanalysis.max_age_updates > 0

    @property
    def num_collecting_envs(self) -> int:
        """Environments that steps come from, those of all collectors together."""
        return self.env.num_envs * (self.distributed.collectors or 1)

    @property
    def num_actors(self) -> int:
        """Processes that live in a cluster, the evaluator included; 0 in a run that needs no cluster."""
        others = self.distributed.num_actors
        return others + 1 if others and self.schedule.evaluate_beside else others

    def without_place(self) -> "RunConfig":
        """Return a config that says nothing of the machine's folders and ports, to be handed on."""
        return replace(self, runs_dir="runs", run_name=None, monitor=None)

    def refuse_endless_annealing(self) -> None:
        """Refuse to begin a run whose n and discount would not have come to their last values at its end.

        That is not refused when a config is made: runs that began so are still to be read.

        Raises:
            ConfigError: if they would not.
        """
        learner, total = self.learner, self.total_updates
        begins, lasts = learner.annealing_begins * total, learner.annealing_updates or total / 2
        if begins + lasts > total * (1 + ROUNDING):
            span = "half of the run" if learner.annealing_updates is None else f"the annealing_updates {lasts}"
            raise ConfigError(
                f"annealing_begins is {learner.annealing_begins}, which leaves {total - begins:g} of the run's {total} "
                f"updates for what moves over {span}, and would not end; begin sooner, or give fewer annealing_updates"
            )

    def seed_for(self, purpose: Purpose, salt: int = 0, *more_salt: int) -> int:
        """Return a seed of its own for every purpose, so that no two draw the same numbers."""
        sequence = np.random.SeedSequence([self.seed, get_args(Purpose).index(purpose), salt, *more_salt])
        return int(sequence.generate_state(1)[0]) >> 1

    def _check_results(self) -> None:
        """Refuse results that could not be found again, and their bound where none are kept."""
        if self.keeps_results:
            refuse_inexact(self.agent)
        is_kept = self.keeps_results and self.reanalysis.reanalysed_rows > 0
        if not is_kept and "results_max_bytes" in changed_fields(self.reanalysis):
            raise ConfigError(
                f"results_max_bytes is {self.reanalysis.results_max_bytes}, which would have no effect: no results "
                "of reanalysis are kept; give reanalysed_rows, and a tier or max_age_updates, or leave it out"
            )

    def _check_reanalysers(self) -> None:
        reanalysers = self.distributed.reanalysers
        if reanalysers is None:
            return
        if not self.reanalysis.reanalysed_rows:
            raise ConfigError(
                f"reanalysers is {reanalysers}, but no rows are to be searched again; give reanalysed_rows, or leave "
                "reanalysers out"
            )
        if self.keeps_results:
            kept = "max_age_updates" if self.reanalysis.max_age_updates else "tier"
            raise ConfigError(
                f"reanalysers is {reanalysers}, which do not look for what was found before: leave {kept} out, or "
                "reanalysers, so that this process searches"
            )

    def _check_images(self) -> None:
        """Refuse now, where the settings say what is shown, what would be refused when the network is built."""
        if self.env.image_shape is not None:
            try:
                check_images(self.env.image_shape, self.agent.model)
            except ConfigError as error:
                raise ConfigError(f"{self.env.name}: {error}") from error

    def _check_positions(self) -> None:
        model, num_tokens = self.agent.model, 2 * (self.learner.unroll_steps + self.learner.bootstrap_steps)
        if model.positions == "learned" and num_tokens > model.max_tokens:
            raise ConfigError(
                f"max_tokens is {model.max_tokens}, but unroll_steps {self.learner.unroll_steps} and bootstrap_steps "
                f"{self.learner.bootstrap_steps} make training segments of {num_tokens} tokens; give max_tokens at "
                "least that many, or shorten the segments"
            )

    def _check_schedules(self) -> None:
        first, last = self.learner.first_discount, self.agent.search.discount
        if first is not None and first > last:
            raise ConfigError(
                f"first_discount is {first}, above the discount {last} that it rises to; give at most that"
            )
        if first is not None and last == 1:
            raise ConfigError(
                f"first_discount is {first}, but discount is 1, whose horizon has no end to rise to; give a discount "
                "below 1, or leave first_discount out"
            )
        for name, num_updates in (
            ("warmup_updates", self.learner.warmup_updates),
            ("annealing_updates", self.learner.annealing_updates or 0),
        ):
            if num_updates > self.total_updates:
                raise ConfigError(
                    f"{name} is {num_updates}, longer than the run: {self.schedule.total_env_steps} environment steps "
                    f"at a replay_ratio of {self.schedule.replay_ratio} make {self.total_updates} updates; shorten it"
                )

    def _check_pools(self) -> None:
        """Refuse pools that would do for collecting and only then turn out not to do for whatever else searches."""
        agent, schedule = self.agent, self.schedule
        collecting = agent.search.num_simulations
        agent.check_pools(num_envs=self.env.num_envs, num_simulations=collecting)
        if self.reanalysis.reanalysed_rows:
            agent.check_pools(num_envs=ROWS_AT_ONCE, num_simulations=collecting)
        num_eval_envs = min(max(schedule.eval_episodes, schedule.final_eval_episodes), schedule.num_eval_envs)
        agent.check_pools(num_envs=num_eval_envs, num_simulations=agent.num_eval_simulations or collecting)

    def _check_temperatures(self) -> None:
        search = self.agent.search
        idle = [name for name in changed_fields(self.schedule) if "temperature" in name]
        if idle and not search.draws_actions:
            is_set = " and ".join(f"{name} is {getattr(self.schedule, name)}" for name in idle)
            defaults = " and ".join(f"{name} {getattr(ScheduleConfig(), name)}" for name in idle)
            raise ConfigError(
                f"{is_set}, which would have no effect with rule={search.rule}, which chooses what is played; give the "
                f"default, {defaults}, or choose rule=puct"
            )
