"""How fast a run collects and learns, each alone, and where the time goes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from kvzero.bench.floor import UpdateFloor, record_products
from kvzero.bench.idle import measure_idle_share
from kvzero.bench.stopwatch import (
    Stopwatch,
    TimedEnvironments,
    TimedLearner,
    TimedPlanner,
    TimedReplay,
    time_encoder,
    timed,
)
from kvzero.bench.threads import torch_threads
from kvzero.checks import check_field
from kvzero.envs import make_environments
from kvzero.model import Network, choose_device
from kvzero.replay import build_row_spec, sample_ahead
from kvzero.training import Collector, Learner, Precision, Reanalyser, RunConfig, keep_freed_memory

__all__ = ["TrainBench", "TrainFigures", "measure_training"]

WARM_UP_STEPS = 3
WARM_UP_UPDATES = 4
"""On a GPU the fourth is recorded."""
NUM_BLOCKS = 5
"""Blocks of updates between which their floor is measured."""
MOST_PROFILED = 5
"""Steps, and updates, that are watched for what the device idles."""
STEP_PARTS = ("environment", "encode", "roots", "search", "replay")
UPDATE_PARTS = ("sample", "bring", "targets", "forward", "backward", "optimiser", "ema")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBench:
    """Measure a preset's collecting and learning, apart from each other, with untrained weights."""

    preset: str = "cartpole"
    """Whose environments, agent and learner; `kvzero presets` lists them."""

    num_steps: int = 100
    """Steps of all environments together that are measured, after a warm-up."""

    num_updates: int = 20
    """Updates that are measured, after a warm-up."""

    num_threads: int | None = None
    """Threads of PyTorch; those of the preset if not given."""

    device: str = "cpu"
    """Where to search and learn."""

    precision: Precision | None = None
    """Number type of updates, as in training; that of the preset if not given."""

    seed: int = 0
    """Seed of weights, environments, search and replay."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "num_updates"):
            check_field(self, name, lambda value: value >= 1, "measure at least 1")
        check_field(self, "seed", lambda value: value >= 0, "give 0 or more")
        check_field(self, "num_threads", lambda value: value is None or value >= 1, "give at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFigures:
    """What was measured; parts are means, so that they add up."""

    env_steps_per_second: float
    """Environment steps over all environments, while nothing is learnt."""
    updates_per_second: float
    """Updates, sampling included, while nothing is collected."""
    training_env_steps_per_second: float
    """Environment steps with the preset's share of updates between them."""
    step_milliseconds: dict[str, float]
    """Parts of one step of all environments together."""
    update_milliseconds: dict[str, float]
    """Parts of one update; `recorded` is there on a GPU, `reanalysis` where rows are searched again."""
    update_floor_milliseconds: float
    """Time of the matrix products and convolutions of one update alone, each computed in the fastest way known."""
    update_floor_share: float
    """Share of an update's time that the floor is: 1 would be an update that costs its products only."""
    step_device_idle_share: float
    """Share of the time of a few more steps in which nothing that PyTorch gave the device ran there."""
    update_device_idle_share: float
    """The same share of a few more updates."""
    num_threads: int
    """Threads that PyTorch used."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What updates are made with."""

    learner: Learner
    replay: TimedReplay
    reanalyser: Reanalyser | None
    batch_size: int


@dataclass(frozen=True, slots=True)
class Measured:
    """How long something took that was done several times."""

    seconds: float
    """Mean of one time."""

    milliseconds: dict[str, float]
    """Its parts."""


def measure_training(config: TrainBench, run: RunConfig) -> TrainFigures:
    """Measure a run's environments, agent and learner.

    Raises:
        ConfigError, DeviceError, EnvError: where machine or environment do not allow it.
    """
    if config.precision is not None:
        run = replace(run, learner=replace(run.learner, precision=config.precision))
    keep_freed_memory()
    threads = torch_threads(config.num_threads or run.num_threads)
    temperature = run.schedule.first_temperature
    with threads as num_threads, _built(config, run) as (collector, learning, stopwatch):
        with time_encoder(learning.learner.network.encoder, stopwatch):
            step = _measure_steps(collector, stopwatch, config.num_steps, temperature)
        update, floor = _measure_updates(learning, stopwatch, config.num_updates)
        with stopwatch.unsynchronised():
            step_idle, update_idle = _measure_idle(collector, learning, stopwatch, config, temperature)
    env_step_seconds = step.seconds / run.env.num_envs
    return TrainFigures(
        env_steps_per_second=round(1 / env_step_seconds, 2),
        updates_per_second=round(1 / update.seconds, 3),
        training_env_steps_per_second=round(1 / (env_step_seconds + run.schedule.replay_ratio * update.seconds), 2),
        step_milliseconds=step.milliseconds,
        update_milliseconds=update.milliseconds,
        update_floor_milliseconds=round(floor, 4),
        update_floor_share=round(floor / (1000 * update.seconds), 3),
        step_device_idle_share=step_idle,
        update_device_idle_share=update_idle,
        num_threads=num_threads,
    )


@contextmanager
def _built(config: TrainBench, run: RunConfig) -> Iterator[tuple[Collector, Learning, Stopwatch]]:
    device, num_envs = choose_device(config.device), run.env.num_envs
    stopwatch = Stopwatch(synchronise=torch.cuda.synchronize if device.type == "cuda" else None)
    with closing(make_environments(run.env, num_envs=num_envs, training=True)) as envs:
        torch.manual_seed(config.seed)
        network = Network(run.agent.model, envs.spec).to(device)
        discount = run.agent.search.discount
        learner = TimedLearner(stopwatch, network, run.learner, discount=discount, total_updates=config.num_updates)
        row_spec = build_row_spec(
            envs.spec,
            num_sampled_actions=run.agent.num_kept_actions(envs.spec),
            keeps_searches=run.keeps_searches,
        )
        replay = TimedReplay(stopwatch, run.replay, row_spec, num_envs=num_envs, seed=config.seed)
        planner = TimedPlanner(stopwatch, network, run.agent, num_envs=num_envs)
        rng = np.random.default_rng(config.seed)
        collector = Collector(
            TimedEnvironments(envs, stopwatch),
            planner,
            replay,
            seed=config.seed,
            rng=rng,
            num_updates=(lambda: learner.num_updates) if run.keeps_searches else None,
        )
        yield (
            collector,
            Learning(learner, replay, _build_reanalyser(learner, replay, run), run.learner.batch_size),
            stopwatch,
        )


def _build_reanalyser(learner: Learner, replay: TimedReplay, run: RunConfig) -> Reanalyser | None:
    num_rows = run.reanalysis.reanalysed_rows
    if not num_rows:
        return None
    return Reanalyser(learner, replay, run.agent, num_rows=num_rows, seed_of=lambda num_updates: num_updates)


def _measure_steps(collector: Collector, stopwatch: Stopwatch, num_steps: int, temperature: float) -> Measured:
    for _ in range(WARM_UP_STEPS):
        collector.step(temperature)
    stopwatch.clear()
    before = stopwatch.now()
    for _ in range(num_steps):
        collector.step(temperature)
    seconds = stopwatch.now() - before
    return Measured(seconds / num_steps, stopwatch.milliseconds(STEP_PARTS, total_seconds=seconds, count=num_steps))


def _measure_updates(learning: Learning, stopwatch: Stopwatch, num_updates: int) -> tuple[Measured, float]:
    """Measure updates, and between blocks of them their floor, in milliseconds, so that both meet the same machine."""
    is_cuda, reanalyses = learning.learner.network.device.type == "cuda", learning.reanalyser is not None
    parts = (*UPDATE_PARTS, *(["recorded"] if is_cuda else []), *(["reanalysis"] if reanalyses else []))
    with record_products() as products:
        _update(replace(learning, reanalyser=None), stopwatch, 1)  # the floor is that of the gradient step
    _update(learning, stopwatch, WARM_UP_UPDATES)
    floor, seconds = UpdateFloor(products, learning.learner.network.device), 0.0
    stopwatch.clear()
    for block in np.array_split(np.arange(num_updates), min(NUM_BLOCKS, num_updates)):
        before = stopwatch.now()
        _update(learning, stopwatch, len(block))
        seconds += stopwatch.now() - before
        floor.measure()
        stopwatch.mark("floor")
    figures = stopwatch.milliseconds(parts, total_seconds=seconds, count=num_updates)
    return Measured(seconds / num_updates, figures), floor.milliseconds


def _measure_idle(
    collector: Collector, learning: Learning, stopwatch: Stopwatch, config: TrainBench, temperature: float
) -> tuple[float, float]:
    """Return what the device idles in a few steps, and in a few updates."""

    def collect() -> None:
        for _ in range(min(config.num_steps, MOST_PROFILED)):
            collector.step(temperature)

    def learn() -> None:
        _update(learning, stopwatch, min(config.num_updates, MOST_PROFILED))

    device = learning.learner.network.device
    return measure_idle_share(collect, device), measure_idle_share(learn, device)


def _update(learning: Learning, stopwatch: Stopwatch, num_updates: int) -> None:
    """Do what a run does: while one batch is trained on, a thread draws the next, so that `sample` is only waiting."""
    learner, reanalyser = learning.learner, learning.reanalyser
    if reanalyser is not None:
        with timed(stopwatch, "reanalysis"):
            reanalyser.serve(num_updates, lambda: False)
    batches = sample_ahead(
        learning.replay,
        num_updates,
        batch_size=learning.batch_size,
        num_steps=learner.segment_steps,
        prepare=learner.prepare,
    )
    with closing(batches):
        for segments in batches:
            stopwatch.mark("sample")
            learner.update(segments)
