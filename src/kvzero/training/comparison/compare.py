"""`compare`: every run in a process of its own, one at work at a time, in laps whose order turns."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from kvzero.envs import make_environments
from kvzero.errors import RunError
from kvzero.model import choose_device
from kvzero.processes import ShouldStop
from kvzero.reports import Dispensable, describe_machine, library_versions
from kvzero.reports.comparison import Comparison, Variant, write_comparison
from kvzero.training.comparison.compared_run import ComparedRun
from kvzero.training.comparison.config import ComparisonConfig, variants
from kvzero.training.comparison.identity import measure_identity
from kvzero.training.comparison.turns import Job
from kvzero.training.config import RunConfig
from kvzero.training.stopping import StopSignal

__all__ = ["compare"]

Item = TypeVar("Item")
Say = Callable[[str], None]


def compare(config: ComparisonConfig, *, say: Say = lambda line: None) -> Comparison:
    """Train with every variant and seed in turn, compare plans, and write `report.json` and `report.html`.

    One run after the other has a turn in each lap, and each lap begins with the next variant, so that a machine that
    becomes slower or faster meanwhile does so for all alike. A run that fails is named in the report; the others go
    on. The first Ctrl-C (or SIGTERM or SIGHUP) ends the comparison with what there is.

    Args:
        config: what to compare.
        say: is given a line of text now and then; where it raises, that is told of once, and it is given no more.

    Raises:
        ConfigError, DeviceError, EnvError: if no variant could work here.
        RunError: if the folder is not empty or cannot be written.
    """
    compared = variants(config)
    say = partial(Dispensable("what says how far it is").attempt, say)
    _refuse_what_cannot_work(config)
    _make_folders(config.out)
    started, machine = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), describe_machine()
    with StopSignal() as should_stop, ExitStack() as opened:
        runs = [opened.enter_context(closing(each)) for each in _build_runs(config, compared)]
        _run_laps(config, runs, say, should_stop)
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
        started=started,
        machine=machine,
        versions=library_versions(),
    )
    write_comparison(config.out, comparison)
    return comparison


def _refuse_what_cannot_work(config: ComparisonConfig) -> None:
    """Refuse a device or environment that no variant could do with, before anything is written."""
    choose_device(config.run.device)
    make_environments(config.run.env, num_envs=1, training=True).close()


def _make_folders(out: Path) -> None:
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out} already exists and is not empty; choose another --out")
        for name in ("runs", "logs", "identity"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{out} cannot be written ({error}); choose another --out") from error


def _build_runs(config: ComparisonConfig, compared: Sequence[tuple[Variant, RunConfig]]) -> list[ComparedRun]:
    """Return all runs, those of one seed beside each other."""
    return [
        ComparedRun(variant.name, _job(config, f"{variant.name}-seed{seed}", run, seed))
        for seed in config.seeds
        for variant, run in compared
    ]


def _job(config: ComparisonConfig, name: str, run: RunConfig, seed: int) -> Job:
    run = replace(
        run,
        seed=seed,
        runs_dir=str(config.out / "runs"),
        run_name=name,
        num_threads=config.num_threads,
        schedule=replace(run.schedule, total_env_steps=config.env_steps),
    )
    return Job(
        name=name,
        config=run,
        folder=config.out / "runs" / name,
        log=config.out / "logs" / f"{name}.log",
        num_threads=config.num_threads,
    )


def _run_laps(config: ComparisonConfig, runs: Sequence[ComparedRun], say: Say, should_stop: ShouldStop) -> None:
    for each in runs:
        each.start()
    for each in runs:
        each.await_start()
        _tell_failure(each, say)
    for lap in range(config.num_laps):
        for position, each in enumerate(_order(runs, len(config.seeds), lap)):
            if should_stop():
                return
            _have_turn(config, each, lap, position, say, should_stop)


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
