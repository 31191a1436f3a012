"""Where a run's environment steps come from: the protocol, and the source that is a collector in this process."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from kvzero.agent import Planner
from kvzero.envs import Environments
from kvzero.records import rng_state
from kvzero.training.collector import Collector, Episode
from kvzero.training.config import ScheduleConfig
from kvzero.training.learning import Learner

__all__ = ["Collected", "LocalSource", "StepSource", "cache_figures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One step of some environments, which is in the replay now."""

    observations: Shaped[np.ndarray, "env ..."]
    """What was acted on."""
    episodes: list[Episode]
    """Games that ended with it."""
    seconds: float
    """Time that it took where it was collected."""

    @property
    def num_env_steps(self) -> int:
        """Environment steps that it is."""
        return len(self.observations)


@runtime_checkable  # the shape checks of the test session ask isinstance
class StepSource(Protocol):
    """What the loop asks of whoever collects."""

    def collect(self, env_steps: int, should_stop: Callable[[], bool]) -> Iterator[Collected]:
        """Collect the round that begins after so many environment steps; yield each step once the replay has it.

        A round ends early where `should_stop` says so.

        Raises:
            EnvError: if an environment fails.
            SearchError: if the network has diverged.
            ClusterError: if what collects elsewhere is lost.
        """
        ...

    def rng_states(self) -> list[dict[str, Any]]:
        """Return the states of the generators that search and action draws use, one of each collector."""
        ...

    def figures(self) -> dict[str, float]:
        """Return what a line of metrics says of collecting since the last one."""
        ...

    def close(self) -> None:
        """Give back environments and processes."""
        ...


class LocalSource:
    """A collector in this process: collecting and updating take turns."""

    def __init__(
        self,
        envs: Environments,
        planner: Planner,
        collector: Collector,
        *,
        rng: np.random.Generator,
        learner: Learner,
        schedule: ScheduleConfig,
    ) -> None:
        """Collect with a `collector` of these environments, whose planner searches with the learner's network."""
        self.envs = envs
        """Where it collects."""
        self.planner = planner
        self.collector = collector
        self._rng = rng
        self._learner = learner
        self._schedule = schedule

    def collect(self, env_steps: int, should_stop: Callable[[], bool]) -> Iterator[Collected]:
        """Step all environments until the round is over."""
        self.planner.set_discount(self._learner.discount)
        end = self._schedule.end_of_round(env_steps)
        while env_steps < end and not should_stop():
            acted_on, begun = self.collector.observations, time.perf_counter()
            episodes = self.collector.step(*self._schedule.exploration_at(env_steps))
            env_steps += self.envs.num_envs
            yield Collected(observations=acted_on, episodes=episodes, seconds=time.perf_counter() - begun)

    def rng_states(self) -> list[dict[str, Any]]:
        """Return the state of the one generator."""
        return [rng_state(self._rng)]

    def figures(self) -> dict[str, float]:
        """Return what the store of keys and values did."""
        return cache_figures(self.planner)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def cache_figures(planner: Planner) -> dict[str, float]:
    """Return the size of a planner's store of keys and values, and what it did since this was asked last."""
    figures = {f"cache/{name}": figure for name, figure in planner.store.figures().items()}
    return {"store_bytes": float(planner.store.nbytes), **figures}
