"""Steps from a crew of collectors elsewhere, as the loop asks for them; and how such a crew is hired."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kvzero.records import EnvSpec
from kvzero.replay import Replay
from kvzero.training.config import RunConfig
from kvzero.training.distributed.collectors.crew import Crew, ask_spec
from kvzero.training.distributed.collectors.intake import Intake, ReplayPart
from kvzero.training.distributed.collectors.paces import AsTheyCome, InStep
from kvzero.training.distributed.collectors.remote import RemoteCollector
from kvzero.training.distributed.open_cluster import OpenCluster
from kvzero.training.learning import Learner
from kvzero.training.returns import ReturnWatch
from kvzero.training.source import Collected

__all__ = ["CrewSource", "Recruits"]


class CrewSource:
    """Where steps come from in a run with collectors."""

    def __init__(self, crew: Crew, pace: InStep | AsTheyCome) -> None:
        """Have steps made at this pace."""
        self._crew = crew
        self._pace = pace

    def collect(self, env_steps: int, should_stop: Callable[[], bool]) -> Iterator[Collected]:
        """Take in a round of what the collectors make."""
        return self._pace.collect(env_steps, should_stop)

    def rng_states(self) -> list[dict[str, Any]]:
        """Return the states of all collectors' generators, as of the steps that the replay has."""
        return self._crew.rng_states()

    def figures(self) -> dict[str, float]:
        """Return how collecting went."""
        return self._crew.figures()

    def close(self) -> None:
        """Let go of what is in the object store; the collectors end with the cluster."""
        self._crew.close()


class Recruits:
    """Collectors that were started in a cluster, and have nothing to do yet."""

    def __init__(self, cluster: OpenCluster, config: RunConfig, num_collectors: int) -> None:
        """Start the collectors, and have them make their environments.

        Raises:
            ConfigError, EnvError: if the environments cannot be made there.
            ClusterError: if a collector does not start.
        """
        self._config = config
        self._put = cluster.ray.put
        self._actors = cluster.start(RemoteCollector, config, num_actors=num_collectors, name="collector")
        self.spec: EnvSpec = ask_spec(self._actors)
        """What the environments show and accept."""

    def employ(
        self, learner: Learner, replay: Replay, *, env_steps: int, rng_states: Sequence[dict[str, Any]]
    ) -> CrewSource:
        """Return the source that has them collect from `env_steps` on for this learner, into this replay."""
        config = self._config
        intakes = [_make_intake(number, config, learner, replay) for number in range(len(self._actors))]
        crew = Crew(
            self._put,
            self._actors,
            intakes,
            config=config,
            learner=learner,
            env_steps=env_steps,
            rng_states=rng_states,
        )
        pace = InStep if config.distributed.lag < 2 else AsTheyCome
        return CrewSource(crew, pace(crew, config.schedule, lag=config.distributed.lag))


def _make_intake(number: int, config: RunConfig, learner: Learner, replay: Replay) -> Intake:
    num_envs = config.env.num_envs
    part = ReplayPart(replay, number * num_envs + np.arange(num_envs))
    watch = ReturnWatch(part, learner.network.support, num_envs=num_envs, discount=lambda: learner.discount)
    return Intake(part, watch, collector=number)
