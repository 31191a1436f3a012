"""The loop of training: some environment steps, then the updates that they owe, again and again."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from kvzero.replay import sample_ahead
from kvzero.training.collector import Episode
from kvzero.training.config import RunConfig
from kvzero.training.session.components import Components
from kvzero.training.storage import Progress

__all__ = ["Loop", "RoundResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What one round did: it collected at most `round_env_steps`, then made the updates that they owe."""

    num_env_steps: int
    """Environment steps collected."""
    num_updates: int
    """Gradient steps made."""
    collect_seconds: float
    """Time that searching, acting and storing took, or taking in what others had collected."""
    collectors_seconds: float
    """Time that was spent on collecting where it was done, by all collectors together."""
    update_seconds: float
    """Time that the updates took, on the device too."""
    reanalyse_seconds: float
    """Time of these that searching rows again took, where no others do that."""
    episodes: tuple[Episode, ...]
    """Games that ended."""


class Loop:
    """Collects and updates at the replay ratio; counts the steps made, and the updates still owed."""

    def __init__(self, config: RunConfig, components: Components, progress: Progress) -> None:
        """Go on from where a run has come to."""
        self.env_steps = progress.env_steps
        """Environment steps collected so far, over all sessions."""
        self.updates_owed = progress.updates_owed
        """Updates that the replay ratio still asks for; less than one between rounds, unless one was stopped."""
        self.losses: dict[str, torch.Tensor] = {}
        """Figures of the newest update of this session."""
        self._schedule = config.schedule
        self._batch_size = config.learner.batch_size
        self._components = components
        self._is_searched_here = config.distributed.reanalysers is None
        self._collectors_seconds = self._reanalyse_seconds = 0.0  # of this round

    @property
    def is_done(self) -> bool:
        """Whether all environment steps of the run are collected."""
        return self.env_steps >= self._schedule.total_env_steps

    @property
    def owes_updates(self) -> bool:
        """Whether there are updates to be made; between rounds only where some were stopped."""
        return self.updates_owed >= 1 and self._components.replay.has_starts  # none after a stop at the very first step

    @property
    def dose(self) -> float:
        """Steps trained on per environment step collected: the updates made, times batch, times unroll."""
        learner = self._components.learner
        return learner.num_updates * learner.config.positions_per_update / max(self.env_steps, 1)

    def advance(self, should_stop: Callable[[], bool]) -> RoundResult:
        """Make one round, which ends early after the step or update at which `should_stop` says so.

        Raises:
            EnvError: if an environment fails.
            SearchError: if the network has diverged.
        """
        learner = self._components.learner
        steps, updates, started = self.env_steps, learner.num_updates, time.perf_counter()
        self._collectors_seconds = self._reanalyse_seconds = 0.0
        episodes = self._collect(should_stop)
        collected = time.perf_counter()
        self.make_owed_updates(should_stop)
        self._await_device()
        return RoundResult(
            num_env_steps=self.env_steps - steps,
            num_updates=learner.num_updates - updates,
            collect_seconds=collected - started,
            collectors_seconds=self._collectors_seconds,
            update_seconds=time.perf_counter() - collected,
            reanalyse_seconds=self._reanalyse_seconds,
            episodes=tuple(episodes),
        )

    def make_owed_updates(self, should_stop: Callable[[], bool]) -> None:
        """Make the updates that collected steps owe, as far as there is anything to learn from.

        Raises:
            SearchError: if the network has diverged.
        """
        learner, replay = self._components.learner, self._components.replay
        if self._schedule.replay_ratio == 0:  # no update will ever ask for what was seen
            learner.take_in()
        if not self.owes_updates:
            return
        learner.take_in()
        if not self._serve_reanalysis(should_stop):
            return
        batches = sample_ahead(
            replay,
            int(self.updates_owed),
            batch_size=self._batch_size,
            num_steps=learner.segment_steps,
            progress=self.env_steps / self._schedule.total_env_steps,
            prepare=learner.prepare,
        )
        told: list[tuple[np.ndarray, torch.Tensor]] = []
        with closing(batches):
            while self.updates_owed >= 1 and not should_stop():
                segments = next(batches)
                self.losses = learner.update(segments)
                self.updates_owed -= 1
                if learner.value_errors is not None:
                    told.append((segments.places, learner.value_errors))
        learner.refuse_divergence()
        for places, errors in told:  # now that it no longer matters to wait for the device
            replay.prioritise(places, errors.cpu().numpy())

    def _serve_reanalysis(self, should_stop: Callable[[], bool]) -> bool:
        """Have rows searched again for the updates that are owed; False where that is to be waited for no longer."""
        reanalysis = self._components.reanalyser
        if reanalysis is None:
            return True
        begun = time.perf_counter()
        is_served = reanalysis.serve(int(self.updates_owed), should_stop)
        if self._is_searched_here:
            self._reanalyse_seconds += time.perf_counter() - begun
        return is_served

    def _collect(self, should_stop: Callable[[], bool]) -> list[Episode]:
        schedule, parts, ended = self._schedule, self._components, []
        for step in parts.source.collect(self.env_steps, should_stop):
            ended += step.episodes
            self._collectors_seconds += step.seconds
            parts.learner.show(step.observations)
            self.env_steps += step.num_env_steps
            if self.env_steps > max(schedule.learning_starts, step.num_env_steps):  # one step has no next yet
                self.updates_owed += step.num_env_steps * schedule.replay_ratio
        return ended

    def _await_device(self) -> None:
        device = self._components.learner.network.device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
