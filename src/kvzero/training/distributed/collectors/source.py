"""Steps from a crew of collectors elsewhere, as the loop asks for them; and how such a crew is opened."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from kvzero.records import EnvSpec
from kvzero.replay import Replay
from kvzero.training.config import RunConfig
from kvzero.training.distributed.actors import Actors
from kvzero.training.distributed.cluster import open_cluster
from kvzero.training.distributed.collectors.crew import Crew, ask_spec
from kvzero.training.distributed.collectors.intake import Intake, ReplayPart
from kvzero.training.distributed.collectors.paces import AsTheyCome, InStep
from kvzero.training.distributed.collectors.remote import RemoteCollector
from kvzero.training.learning import Learner
from kvzero.training.returns import ReturnWatch
from kvzero.training.source import Collected

__all__ = ["CrewSource", "Recruits"]


class CrewSource:
    """Where steps come from in a run with collectors."""

    def __init__(self, crew: Crew, pace: InStep | AsTheyCome, *, close: Callable[[], None]) -> None:
        """Have steps made at this pace; `close` ends the collectors."""
        self._crew = crew
        self._pace = pace
        self._close = close

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
        """End the collectors."""
        self._crew.close()
        self._close()


class Recruits:
    """Collectors that were started in a cluster, and have nothing to do yet."""

    def __init__(self, config: RunConfig) -> None:
        """Open the cluster, start the collectors, and have them make their environments.

        Raises:
            ConfigError, EnvError: if Ray is not installed, or the environments cannot be made there.
            ClusterError: if the cluster or a collector does not start.
        """
        self._config = config
        wanted = config.distributed
        num_collectors = wanted.collectors or 0
        with ExitStack() as opened:
            self._ray = opened.enter_context(
                open_cluster(
                    wanted.cluster,
                    num_actors=num_collectors,
                    object_store_bytes=wanted.object_store_bytes,
                    trusts_network=wanted.cluster_trusts_network,
                )
            )
            self._actors = _start(self._ray, config, num_collectors)
            opened.enter_context(closing(self._actors))
            self.spec: EnvSpec = ask_spec(self._actors)
            """What the environments show and accept."""
            self._opened = opened.pop_all()

    def employ(
        self, learner: Learner, replay: Replay, *, env_steps: int, rng_states: Sequence[dict[str, Any]]
    ) -> CrewSource:
        """Return the source that has them collect from `env_steps` on for this learner, into this replay."""
        config = self._config
        intakes = [_make_intake(number, config, learner, replay) for number in range(len(self._actors))]
        crew = Crew(
            self._ray,
            self._actors,
            intakes,
            config=config,
            learner=learner,
            env_steps=env_steps,
            rng_states=rng_states,
        )
        pace = InStep if config.distributed.lag < 2 else AsTheyCome
        return CrewSource(crew, pace(crew, config.schedule, lag=config.distributed.lag), close=self.close)

    def close(self) -> None:
        """End the collectors, and leave the cluster."""
        self._opened.close()


def _start(ray: Any, config: RunConfig, num_collectors: int) -> Actors:
    collector = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RemoteCollector)
    given = ray.put(config)
    return Actors(
        ray,
        lambda _: collector.remote(given),
        num_actors=num_collectors,
        name="collector",
        config=config.distributed,
    )


def _make_intake(number: int, config: RunConfig, learner: Learner, replay: Replay) -> Intake:
    num_envs = config.env.num_envs
    part = ReplayPart(replay, number * num_envs + np.arange(num_envs))
    watch = ReturnWatch(part, learner.network.support, num_envs=num_envs, discount=lambda: learner.discount)
    return Intake(part, watch, collector=number)
