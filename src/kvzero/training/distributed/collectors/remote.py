"""What collects in a process elsewhere: environments, a network, a planner and its store, one thread."""

import copy
import socket
import time
from dataclasses import dataclass

import numpy as np
import torch

from kvzero.agent import Planner
from kvzero.envs import Environments, make_environments
from kvzero.errors import KvzeroError
from kvzero.model import Network
from kvzero.records import EnvSpec, load_rng_state, rng_state
from kvzero.replay import StepBatch
from kvzero.reports import rss_bytes
from kvzero.training.allocator import keep_freed_memory
from kvzero.training.collector import Collector
from kvzero.training.config import Exploration, RunConfig
from kvzero.training.distributed.collectors.messages import Begin, Order, Report, Step
from kvzero.training.distributed.refusals import Refusal
from kvzero.training.distributed.weights import Weights
from kvzero.training.source import cache_figures

__all__ = ["RemoteCollector"]


class _Kept:
    """A sink that keeps the newest step, in arrays of its own."""

    batch: StepBatch

    def add(self, batch: StepBatch) -> None:
        """Keep a copy."""
        self.batch = copy.deepcopy(batch)


@dataclass(slots=True)
class _Playing:
    """What a collector is made of, once it has weights."""

    network: Network
    planner: Planner
    collector: Collector
    sink: _Kept
    rng: np.random.Generator
    version: int
    num_updates: int
    """Those of the weights, whose arrays are let go of."""


class RemoteCollector:
    """Makes the steps that it is ordered to. Asked the same again, it returns the report that it had."""

    def __init__(self, config: RunConfig) -> None:
        """Collect as a run with this config does; nothing is made before it is asked for."""
        torch.set_num_threads(1)
        keep_freed_memory()
        self._config = config
        self._envs: Environments | None = None
        self._playing: _Playing | None = None
        self._last: Report | None = None
        self._idle_since = time.monotonic()

    def describe(self) -> EnvSpec | Refusal:
        """Return what the environments show and accept, or why there are none."""
        try:
            return self._open().spec
        except KvzeroError as error:
            return Refusal(socket.gethostname(), error)

    def collect(self, order: Order, weights: Weights) -> Report | Refusal:
        """Make steps with these weights."""
        if self._last is None or self._last.label != order.label:
            try:
                self._last = self._report(order, weights)
            except KvzeroError as error:
                return Refusal(socket.gethostname(), error)
        return self._last

    def _open(self) -> Environments:
        if self._envs is None:
            env = self._config.env
            self._envs = make_environments(env, num_envs=env.num_envs, training=True)
        return self._envs

    def _report(self, order: Order, weights: Weights) -> Report:
        begun = time.monotonic()
        playing = self._ready(order, weights)
        steps = [self._step(playing, exploration) for exploration in order.explorations]
        ended, idle_since = time.monotonic(), self._idle_since
        self._idle_since = ended
        return Report(
            label=order.label,
            host=socket.gethostname(),
            version=weights.version,
            steps=steps,
            rng_state=rng_state(playing.rng),
            collect_seconds=ended - begun,
            idle_seconds=begun - idle_since,
            rss_bytes=rss_bytes(),
            cache=cache_figures(playing.planner),
        )

    def _ready(self, order: Order, weights: Weights) -> _Playing:
        """Return what collects, with these weights."""
        if order.begin is not None:
            self._playing = self._begin(order.begin, weights)
        playing = self._playing
        if playing is None:
            raise RuntimeError(f"{order.label} came before any order to begin")
        if weights.version != playing.version:
            playing.network.load_arrays(weights.arrays)
            playing.version, playing.num_updates = weights.version, weights.num_updates
        playing.planner.set_discount(order.discount)
        return playing

    def _begin(self, begin: Begin, weights: Weights) -> _Playing:
        envs, config, sink = self._open(), self._config, _Kept()
        network = Network(config.agent.model, envs.spec)
        network.load_arrays(weights.arrays)
        rng = np.random.default_rng()
        load_rng_state(rng, begin.rng_state, "the search")
        planner = Planner(network, config.agent, num_envs=envs.num_envs)
        collector = Collector(
            envs,
            planner,
            sink,
            seed=begin.seed,
            rng=rng,
            persistence=config.schedule.persistence,
            num_updates=self._num_updates if config.keeps_searches else None,
        )
        return _Playing(network, planner, collector, sink, rng, weights.version, weights.num_updates)

    def _num_updates(self) -> int:
        return 0 if self._playing is None else self._playing.num_updates

    def _step(self, playing: _Playing, exploration: Exploration) -> Step:
        episodes = playing.collector.step(*exploration)
        return Step(batch=playing.sink.batch, episodes=episodes)
