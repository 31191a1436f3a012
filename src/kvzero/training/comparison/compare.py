"""`compare`: every run in a process of its own, one at work at a time, in laps whose order turns."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from kvzero.agent import CHECKPOINTS
from kvzero.envs import make_environments
from kvzero.errors import RunError
from kvzero.model import choose_device
from kvzero.processes import ShouldStop
from kvzero.reports import Dispensable, describe_machine, library_versions
from kvzero.reports.comparison import Comparison, Variant, write_comparison
from kvzero.training.comparison.compared_run import END_SECONDS, ComparedRun
from kvzero.training.comparison.config import ComparisonConfig, variants
from kvzero.training.comparison.identity import measure_identity
from kvzero.training.comparison.standing import (
    STANDING_FILE,
    RunStanding,
    Standing,
    read_standing,
    write_standing,
)
from kvzero.training.comparison.turns import Job
from kvzero.training.config import RunConfig
from kvzero.training.stopping import StopSignal
from kvzero.training.storage import sole_writer

__all__ = ["compare"]

KEPT_CHECKPOINTS = 2
"""A kill between the saves of one lap finds all runs' checkpoints of the lap before."""

LOOK_SECONDS = 0.2
"""How long it is waited before it is looked again whether a process has ended."""

Item = TypeVar("Item")
Say = Callable[[str], None]


def compare(config: ComparisonConfig, *, say: Say = lambda line: None) -> Comparison:
    """Train with every variant and seed in turn, compare plans, and write `report.json` and `report.html`.

    One run after the other has a turn in each lap, and each lap begins with the next variant, so that a machine that
    becomes slower or faster meanwhile does so for all alike. A run that fails is named in the report; the others go
    on. The first Ctrl-C (or SIGTERM or SIGHUP) ends the comparison with what there is.

    All runs are saved after every lap. Called again with the same settings, a comparison that was ended, by whatever
    means, goes on after its last whole lap; environments begin new episodes there, in all runs alike.

    Args:
        config: what to compare.
        say: is given a line of text now and then; where it raises, that is told of once, and it is given no more.

    Raises:
        ConfigError, DeviceError, EnvError: if no variant could work here.
        RunError: if the folder holds something else, or a comparison that is finished, differs in its settings or is at
            work, or cannot be written.
    """
    compared = variants(config)
    say = partial(Dispensable("what says how far it is").attempt, say)
    _refuse_what_cannot_work(config)
    with ExitStack() as held:
        standing = _take_up(config, held, say)
        return _go_on(config, compared, standing, say)


def _go_on(
    config: ComparisonConfig, compared: Sequence[tuple[Variant, RunConfig]], standing: Standing, say: Say
) -> Comparison:
    """Make the laps that are left, and report."""
    machine = describe_machine()
    with StopSignal() as should_stop, ExitStack() as opened:
        runs = [opened.enter_context(closing(each)) for each in _build_runs(config, compared, standing)]
        standing = _run_laps(config, runs, standing, say, should_stop)
        for each in runs:
            each.save()
        identities = measure_identity(config.out / "identity", runs, say, should_stop)
    comparison = Comparison(
        preset=config.run.preset,
        command=config.command,
        env_steps=config.env_steps,
        seeds=config.seeds,
        num_laps=config.num_laps,
        num_threads=config.num_threads,
        engine=config.run.agent.engine,
        variants=tuple(variant for variant, _ in compared),
        runs=tuple(each.measured(config.out) for each in runs),
        identities=tuple(identities.found),
        unprobed=identities.missing,
        is_stopped=should_stop(),
        resumed_after=standing.resumed_after,
        started=standing.started,
        machine=machine,
        versions=library_versions(),
    )
    write_comparison(config.out, comparison)
    if not comparison.is_stopped:
        write_standing(config, replace(standing, is_reported=True))
    return comparison


def _refuse_what_cannot_work(config: ComparisonConfig) -> None:
    """Refuse a device or environment that no variant could do with, before anything is written."""
    choose_device(config.run.device)
    make_environments(config.run.env, num_envs=1, training=True).close()


def _take_up(config: ComparisonConfig, held: ExitStack, say: Say) -> Standing:
    """Return where the comparison stands, which is at its beginning in a new folder; nobody else has the folder then.

    Raises:
        RunError: if the folder cannot be used.
    """
    out = config.out
    try:
        is_new = not out.exists() or (out.is_dir() and not any(out.iterdir()))
        if is_new:
            out.mkdir(parents=True, exist_ok=True)
        elif not (out / STANDING_FILE).is_file():
            raise RunError(f"{out} already exists and is not empty; choose another --out")
        held.enter_context(sole_writer(out, again=config.command or "the same comparison once more"))
        standing = read_standing(config)
        if standing is None:
            standing = Standing(started=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
            write_standing(config, standing)
        if standing.is_reported:
            raise RunError(f"{out} holds this comparison, which is at its end: see report.html; choose another --out")
        if not is_new:
            standing = _come_back(config, standing, say)
        for name in ("runs", "logs", "identity"):
            (out / name).mkdir(exist_ok=True)
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{out} cannot be written ({error}); choose another --out") from error
    return standing


def _come_back(config: ComparisonConfig, standing: Standing, say: Say) -> Standing:
    """Make ready to go on: wait until processes that outlived their comparison have ended, and forget half a lap."""
    runs = config.out / "runs"
    for folder in runs.glob("*"):
        _await_end(folder)
    if not standing.runs:
        shutil.rmtree(runs, ignore_errors=True)
        return standing
    say(f"going on after lap {standing.num_laps}/{config.num_laps}")
    return replace(standing, resumed_after=(*standing.resumed_after, standing.num_laps))


def _await_end(folder: Path) -> None:
    """Wait until no process writes a run any more, but not for long: who needs it then is refused by name."""
    for _ in range(round(END_SECONDS / LOOK_SECONDS)):
        with suppress(RunError), sole_writer(folder):
            return
        time.sleep(LOOK_SECONDS)


def _build_runs(
    config: ComparisonConfig, compared: Sequence[tuple[Variant, RunConfig]], standing: Standing
) -> list[ComparedRun]:
    """Return all runs as they stand, those of one seed beside each other."""
    every = [(seed, variant, run) for seed in config.seeds for variant, run in compared]
    stood: Sequence[RunStanding | None] = standing.runs or [None] * len(every)
    return [
        ComparedRun(variant.name, _job(config, f"{variant.name}-seed{seed}", run, seed, each), each)
        for (seed, variant, run), each in zip(every, stood, strict=True)
    ]


def _job(config: ComparisonConfig, name: str, run: RunConfig, seed: int, standing: RunStanding | None) -> Job:
    folder = config.out / "runs" / name
    checkpoint = None if standing is None or standing.checkpoint is None else folder / CHECKPOINTS / standing.checkpoint
    run = replace(
        run,
        seed=seed,
        runs_dir=str(config.out / "runs"),
        run_name=name,
        num_threads=config.num_threads,
        schedule=replace(run.schedule, keep_checkpoints=KEPT_CHECKPOINTS),
    )
    return Job(
        name=name,
        config=run,
        folder=folder,
        log=config.out / "logs" / f"{name}.log",
        num_threads=config.num_threads,
        checkpoint=checkpoint,
    )


def _run_laps(
    config: ComparisonConfig, runs: Sequence[ComparedRun], standing: Standing, say: Say, should_stop: ShouldStop
) -> Standing:
    """Make the laps that are left; return where the last whole one left the comparison."""
    for each in runs:
        each.start()
    for each in runs:
        each.await_start()
        _tell_failure(each, say)
    for lap in range(standing.num_laps, config.num_laps):
        for position, each in enumerate(_order(runs, len(config.seeds), lap)):
            if should_stop():
                return standing
            _have_turn(config, each, lap, position, say, should_stop)
        if should_stop():  # a turn may have been cut short
            return standing
        for each in runs:
            each.save()
        standing = replace(standing, num_laps=lap + 1, runs=tuple(each.standing for each in runs))
        write_standing(config, standing)
    return standing


def _order(runs: Sequence[Item], num_seeds: int, lap: int) -> list[Item]:
    """Return the runs in a lap's order: the variants of one seed after each other, begun with another in each lap."""
    size = len(runs) // num_seeds
    first = lap % size
    groups = [runs[start : start + size] for start in range(0, len(runs), size)]
    return [each for group in groups for each in (*group[first:], *group[:first])]


def _have_turn(
    config: ComparisonConfig, each: ComparedRun, lap: int, position: int, say: Say, should_stop: ShouldStop
) -> None:
    if not each.is_alive:
        return
    turn = each.advance(lap, position, config.lap_end(lap), should_stop)
    _tell_failure(each, say)
    if turn is not None and turn.num_env_steps:
        speed = turn.num_env_steps / turn.seconds
        say(f"lap {lap + 1}/{config.num_laps}: {each.job.name} at {turn.env_steps:,} steps, {speed:,.1f} steps/s")


def _tell_failure(each: ComparedRun, say: Say) -> None:
    if each.failure is not None:
        say(f"{each.job.name} failed: {each.failure}")
