"""The training loop: collect, update at a replay ratio, evaluate and save on a schedule."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from kvzero.agent import Planner
from kvzero.envs import Environments, make_environments
from kvzero.errors import EnvError
from kvzero.model import choose_device
from kvzero.replay import Replay, sample_ahead
from kvzero.reports import (
    ENV_STEPS,
    EVAL_RETURN_MAX,
    EVAL_RETURN_MEAN,
    EVAL_RETURN_MIN,
    TRAIN_RETURN,
    WALL_SECONDS,
    logged_until,
    rss_bytes,
)
from kvzero.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from kvzero.training.collector import Collector, Episode
from kvzero.training.config import RunConfig
from kvzero.training.evaluator import evaluate
from kvzero.training.learner import Learner
from kvzero.training.network import build_network
from kvzero.training.returns import ReturnWatch

__all__ = ["Observer", "Result", "Round", "Silence", "Trainer"]


@runtime_checkable
class Observer(Protocol):
    """What the loop tells of itself; a progress display fits it."""

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Take in how far the run is, and what was measured there, if anything."""


class Silence:
    """An observer that lets nothing out."""

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a sitting of training ended."""

    env_steps: int
    updates: int
    seconds: float
    eval_returns: list[float]
    """Raw returns of the final evaluation; empty where the run was stopped before."""
    is_finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of training did: some environment steps, then the updates that they owe."""

    num_env_steps: int
    """Environment steps collected."""
    num_updates: int
    """Gradient steps made."""
    collect_seconds: float
    """Time that searching, acting and storing took."""
    update_seconds: float
    """Time that the updates took, on the device too."""
    episodes: tuple[Episode, ...]
    """Games that ended."""


class Trainer:
    """One run: builds everything from a config, goes on until it is done or told to stop."""

    def __init__(self, config: RunConfig, run: Path, observer: Observer, *, resume_from: Path | None = None) -> None:
        """Build a fresh run, or continue from the checkpoint `resume_from`.

        Raises:
            ConfigError, DeviceError, EnvError, CheckpointError, RunError: where the config, machine, environment,
                checkpoint or metrics do not allow it.
        """
        self._config = config
        self._run = run
        self._observer = observer
        self._started = time.monotonic()
        self._envs = make_environments(config.env, num_envs=config.env.num_envs, training=True)
        try:
            self._build(resume_from)
        except BaseException:
            self._envs.close()
            raise

    def _build(self, resume_from: Path | None) -> None:
        config, num_envs = self._config, self._envs.num_envs
        torch.manual_seed(_seed(config, "weights"))
        network = build_network(config, self._envs.spec).to(choose_device(config.device))
        self._learner = Learner(
            network,
            config.learner,
            discount=config.agent.search.discount,
            total_updates=int(config.schedule.total_env_steps * config.schedule.replay_ratio),
        )
        self._replay = Replay(
            config.replay,
            self._envs.spec,
            num_envs=num_envs,
            seed=_seed(config, "replay"),
            num_sampled_actions=config.agent.num_kept_actions(self._envs.spec),
        )
        self._rng = np.random.default_rng(_seed(config, "search"))
        self._env_steps, self._updates_owed, self._seconds_before = 0, 0.0, 0.0
        self._evaluated_at = 0  # environment steps at the newest evaluation that was played to its end
        if resume_from is not None:
            self._restore(load_checkpoint(resume_from, self._learner, self._replay))
        self._env_seed = _seed(config, "collect", self._env_steps)
        self._planner = Planner(network, config.agent, num_envs=num_envs)
        watch = ReturnWatch(network.support, num_envs=num_envs, discount=config.agent.search.discount)
        self._collector = Collector(
            self._envs, self._planner, self._replay, seed=self._env_seed, rng=self._rng, watch=watch
        )
        self._episodes: list[Episode] = []
        self._figures: dict[str, torch.Tensor] = {}

    def _restore(self, progress: Progress) -> None:
        self._replay.end_running_episodes()
        self._env_steps = progress.env_steps
        self._updates_owed = progress.updates_owed
        self._rng.bit_generator.state = progress.search_rng
        past = logged_until(self._run, self._env_steps)
        self._evaluated_at = max((int(line[ENV_STEPS]) for line in past if EVAL_RETURN_MEAN in line), default=0)
        # An evaluation at the checkpoint's own step was timed after it was written.
        self._seconds_before = max([progress.seconds, *(line[WALL_SECONDS] for line in past if WALL_SECONDS in line)])

    @property
    def env_steps(self) -> int:
        """Environment steps collected so far, over all sittings."""
        return self._env_steps

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent on this run, over all sittings."""
        return self._seconds_before + time.monotonic() - self._started

    def run(self, should_stop: Callable[[], bool]) -> Result:
        """Train until the run is done or `should_stop` says so, and write a checkpoint in both cases.

        Raises:
            EnvError: if an environment fails. A checkpoint is written first.
            SearchError: if the network has diverged.
            RunError: if a checkpoint cannot be written.
        """
        schedule = self._config.schedule
        try:
            self._train(should_stop)
        except EnvError:
            self.save()
            raise
        self.save()
        returns: list[float] = []
        if self._env_steps >= schedule.total_env_steps:
            returns = self._evaluate(schedule.final_eval_episodes, "final", should_stop)
        return Result(
            env_steps=self._env_steps,
            updates=self._learner.num_updates,
            seconds=self.seconds,
            eval_returns=returns,
            is_finished=bool(returns),
        )

    def advance(self, should_stop: Callable[[], bool]) -> Round:
        """Collect `round_env_steps`, at most to the end of the run, and make the updates that they owe.

        This is what `run` repeats; it neither evaluates, nor saves, nor tells the observer.

        Raises:
            EnvError: if an environment fails.
            SearchError: if the network has diverged.
        """
        steps, updates, started = self._env_steps, self._learner.num_updates, time.perf_counter()
        episodes = self._collect(should_stop)
        collected = time.perf_counter()
        self._update(should_stop)
        self._await_device()
        return Round(
            num_env_steps=self._env_steps - steps,
            num_updates=self._learner.num_updates - updates,
            collect_seconds=collected - started,
            update_seconds=time.perf_counter() - collected,
            episodes=tuple(episodes),
        )

    def measure(self) -> dict[str, float]:
        """Return what a line of metrics holds: the newest losses, counters, memory; returns since the last call."""
        figures = {name: float(figure) for name, figure in self._figures.items()}
        figures["updates"] = float(self._learner.num_updates)
        figures[WALL_SECONDS] = self.seconds
        figures["replay_steps"] = float(len(self._replay))
        figures["rss_bytes"] = float(rss_bytes())
        figures |= {f"cache/{name}": figure for name, figure in self._planner.store.figures().items()}
        if self._episodes:
            figures[TRAIN_RETURN] = float(np.mean([episode.raw_return for episode in self._episodes]))
            figures["train_episode_steps"] = float(np.mean([episode.num_steps for episode in self._episodes]))
            self._episodes.clear()
        return figures

    def save(self) -> Path:
        """Write a checkpoint and return its folder.

        Raises:
            RunError: if it cannot be written.
        """
        progress = Progress(
            env_steps=self._env_steps,
            updates_owed=self._updates_owed,
            seconds=self.seconds,
            search_rng=dict(self._rng.bit_generator.state),
        )
        return save_checkpoint(
            self._run,
            self._learner,
            self._replay,
            progress,
            agent=self._config.agent,
            keep=self._config.schedule.keep_checkpoints,
        )

    def close(self) -> None:
        """Close the environments."""
        self._envs.close()

    def _train(self, should_stop: Callable[[], bool]) -> None:
        self._update(should_stop)  # those that an earlier sitting was stopped in
        self._evaluate_if_due(should_stop)
        while self._env_steps < self._config.schedule.total_env_steps and not should_stop():
            before = self._env_steps
            self.advance(should_stop)
            self._observer.update(self._env_steps, updates=self._learner.num_updates)
            self._follow_schedule(before, should_stop)

    def _collect(self, should_stop: Callable[[], bool]) -> list[Episode]:
        schedule, ended = self._config.schedule, []
        target = min(self._env_steps + schedule.round_env_steps, schedule.total_env_steps)
        while self._env_steps < target and not should_stop():
            acted_on = self._collector.observations
            ended += self._collector.step(self._temperature())
            self._learner.show(acted_on)
            self._env_steps += self._envs.num_envs
            if self._env_steps > max(schedule.learning_starts, self._envs.num_envs):  # one step has no next yet
                self._updates_owed += self._envs.num_envs * schedule.replay_ratio
        self._episodes += ended
        return ended

    def _update(self, should_stop: Callable[[], bool]) -> None:
        if self._updates_owed < 1 or not self._replay.has_starts:  # none after a stop at the very first step
            return
        self._learner.take_in()
        batch_size, num_steps = self._config.learner.batch_size, self._learner.window_steps
        batches = sample_ahead(self._replay, int(self._updates_owed), batch_size=batch_size, num_steps=num_steps)
        with closing(batches):
            while self._updates_owed >= 1 and not should_stop():
                self._figures = self._learner.update(next(batches))
                self._updates_owed -= 1
        self._learner.refuse_divergence()

    def _await_device(self) -> None:
        if self._learner.network.device.type == "cuda":
            torch.cuda.synchronize(self._learner.network.device)

    def _temperature(self) -> float:
        schedule = self._config.schedule
        steps = schedule.temperature_env_steps or schedule.total_env_steps / 2
        progress = min(self._env_steps / steps, 1.0)
        return schedule.first_temperature + progress * (schedule.final_temperature - schedule.first_temperature)

    def _follow_schedule(self, before: int, should_stop: Callable[[], bool]) -> None:
        schedule = self._config.schedule
        if self._env_steps // schedule.log_every > before // schedule.log_every:
            self._tell(self.measure())
        if self._env_steps >= schedule.total_env_steps:
            return
        self._evaluate_if_due(should_stop)
        if self._env_steps // schedule.checkpoint_every > before // schedule.checkpoint_every:
            self.save()

    def _evaluate_if_due(self, should_stop: Callable[[], bool]) -> None:
        """Evaluate where the curve lacks a point, in this round or since an earlier sitting, unless the run is over."""
        schedule = self._config.schedule
        is_due = self._env_steps // schedule.eval_every > self._evaluated_at // schedule.eval_every
        if is_due and self._env_steps < schedule.total_env_steps:
            self._evaluate(schedule.eval_episodes, "eval", should_stop)

    def _evaluate(self, num_episodes: int, purpose: str, should_stop: Callable[[], bool]) -> list[float]:
        """Play and tell of it; return the raw returns, none where it was stopped."""
        config = self._config
        envs: Environments = make_environments(
            config.env, num_envs=min(num_episodes, config.schedule.num_eval_envs), training=False
        )
        try:
            planner = Planner(
                self._learner.network,
                config.agent,
                num_envs=envs.num_envs,
                num_simulations=config.agent.num_eval_simulations,
            )
            games = evaluate(
                envs,
                planner,
                num_episodes=num_episodes,
                seed=_seed(config, purpose),
                max_steps=config.schedule.max_eval_steps or config.schedule.total_env_steps,
                on_step=lambda _: self._observer.update(self._env_steps, updates=self._learner.num_updates),
                should_stop=should_stop,
            )
        finally:
            envs.close()
        if should_stop():
            return []
        self._evaluated_at = self._env_steps
        self._tell(
            {
                EVAL_RETURN_MEAN: float(np.mean(games.returns)),
                EVAL_RETURN_MIN: float(np.min(games.returns)),
                EVAL_RETURN_MAX: float(np.max(games.returns)),
                "eval_episodes": float(len(games.returns)),
                "eval_cut_games": float(games.num_cut),
                WALL_SECONDS: self.seconds,
            }
        )
        return games.returns

    def _tell(self, figures: Mapping[str, float]) -> None:
        self._observer.update(self._env_steps, updates=self._learner.num_updates, figures=figures)


PURPOSES = ("weights", "replay", "search", "collect", "eval", "final")


def _seed(config: RunConfig, purpose: str, salt: int = 0) -> int:
    """Return a seed of its own for every purpose, so that no two draw the same numbers."""
    sequence = np.random.SeedSequence([config.seed, PURPOSES.index(purpose), salt])
    return int(sequence.generate_state(1)[0]) >> 1
