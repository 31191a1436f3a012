"""`train` and `resume`: a run from its config to its summary."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kvzero.agent import checkpoint_env_steps, whole_checkpoints
from kvzero.errors import ConfigError, RunError
from kvzero.reports import (
    ENV_STEPS,
    METRICS_FILE,
    SUMMARY_FILE,
    Dispensable,
    FigureLog,
    Monitor,
    SinkOpener,
    Summary,
    library_versions,
    peak_rss_bytes,
    plot_learning_curve,
    read_metrics,
    read_summary,
    write_report,
    write_summary,
)
from kvzero.training.allocator import keep_freed_memory
from kvzero.training.config import RunConfig
from kvzero.training.learning import Ranks
from kvzero.training.ranks import in_ranks
from kvzero.training.session import Observer, Reporter, SessionResult, Trainer
from kvzero.training.stopping import StopSignal
from kvzero.training.storage import begin_anew, name_run, new_run, read_config_to_resume, sole_writer, write_config

__all__ = ["Finished", "resume", "train"]


@dataclass(frozen=True, slots=True)
class Finished:
    """A session of training that is over."""

    run: Path
    """The run's folder."""

    summary: Summary | None
    """Its summary; None where it was stopped before its end, to be resumed."""


def train(config: RunConfig, *, observer: Observer | None = None, sinks: Sequence[SinkOpener] = ()) -> Finished:
    """Train a new agent; write everything under a folder of its own.

    The observer is told how far the run is. Figures go to `metrics.jsonl`, to the sinks that the config names, and to
    those that `sinks` opens. What only shows, the observer, a sink, the curve or the report, may fail: that is told of
    once, and the run goes on. The first Ctrl-C (or SIGTERM or SIGHUP) ends the run after the step in progress, with a
    checkpoint; whatever else ends it leaves one first. Where torchrun started several ranks, rank 0 does all this, and
    the others learn with it and return the same.

    Raises:
        ConfigError, DeviceError: if the config cannot work here.
        RunError: if the run's folder exists, cannot be written, or the disk is full when a checkpoint is due.
        EnvError: if an environment fails; a checkpoint is written first.
        SearchError: if the network has diverged; no checkpoint is written then.
        RankError: if another rank is gone; a checkpoint is written first.
    """
    if not isinstance(config, RunConfig):
        raise ConfigError(f"config is {config!r}; give a RunConfig, such as kvzero.preset('cartpole')")
    return in_ranks(lambda ranks: _run_session(config, name_run(config), observer, sinks, ranks, is_new=True))


def resume(
    run: str | Path,
    *,
    total_env_steps: int | None = None,
    monitor: str | None = None,
    cluster: str | None = None,
    observer: Observer | None = None,
    sinks: Sequence[SinkOpener] = (),
) -> Finished:
    """Go on with a run from its newest whole checkpoint, to its end or to a new `total_env_steps`.

    Prometheus can ask at a new `monitor`, and collectors live in a new `cluster`, if one is given.

    Environments begin new episodes; everything else continues as if there had been no pause. A run that was ended
    before its first checkpoint begins anew, in its folder: what its metrics said is cut off.

    Raises:
        RunError: if the folder is not that of a run, or that of a run that is at its end, has come beyond
            `total_env_steps`, or has lost its checkpoints since; or if another process is writing it.
        ConfigError: if what is annealed would not be at its end by then.
        CheckpointError: if the checkpoint is damaged, of another configuration or environment, or of a newer version.
    """
    run = Path(run)

    def go_on(ranks: Ranks) -> Finished:
        config = read_config_to_resume(run)
        if total_env_steps is not None:
            config = replace(config, schedule=replace(config.schedule, total_env_steps=total_env_steps))
            config.refuse_endless_annealing()
        if monitor is not None:
            config = replace(config, monitor=monitor)
        if cluster is not None:
            config = replace(config, distributed=replace(config.distributed, cluster=cluster))
        with sole_writer(run):
            _refuse_finished(run, config)
            return _run_session(config, run, observer, sinks, ranks, resume_from=_find_start(run, config))

    return in_ranks(go_on)


def _refuse_finished(run: Path, config: RunConfig) -> None:
    if not (run / SUMMARY_FILE).exists():
        return
    env_steps = read_summary(run).env_steps
    if env_steps >= config.schedule.total_env_steps:
        raise RunError(
            f"{run} came to its end at {env_steps} environment steps; give a larger --total-env-steps to go on"
        )


def _find_start(run: Path, config: RunConfig) -> Path | None:
    """Return the checkpoint that a run goes on from; None where it was ended before its first one."""
    whole, end = whole_checkpoints(run), config.schedule.total_env_steps
    if not whole:
        _refuse_lost(run, config)
        return None
    if (reached := checkpoint_env_steps(whole[-1])) > end:
        raise RunError(
            f"{run} has come to {reached} environment steps, beyond the {end} at which it is to end; give "
            f"--total-env-steps {reached} to end it where it is, or more to go on"
        )
    return whole[-1]


def _refuse_lost(run: Path, config: RunConfig) -> None:
    """Refuse to begin a run anew that had checkpoints: what is known of it would be lost."""
    first_is_due = config.schedule.checkpoint_every + config.schedule.round_env_steps
    lines = read_metrics(run) if (run / METRICS_FILE).exists() else []
    if (run / SUMMARY_FILE).exists() or any(line[ENV_STEPS] >= first_is_due for line in lines):
        raise RunError(
            f"{run} has had checkpoints, but they are gone, and it cannot go on; put them back, or train another run"
        )


def _run_session(
    config: RunConfig,
    run: Path,
    observer: Observer | None,
    sinks: Sequence[SinkOpener],
    ranks: Ranks,
    *,
    resume_from: Path | None = None,
    is_new: bool = False,
) -> Finished:
    keep_freed_memory()
    with ExitStack() as held:
        served = [] if config.monitor is None else [held.enter_context(closing(Monitor(config.monitor)))]
        with (
            _threads(config.num_threads),
            closing(Trainer(config, run, resume_from=resume_from, ranks=ranks)) as trainer,
        ):
            if is_new:  # only now, so that a config that cannot work leaves no folder behind
                run = trainer.folder = held.enter_context(new_run(run, config, library_versions()))
            elif resume_from is None:
                begin_anew(run, config, library_versions())
            else:
                write_config(run, config)  # it may have a new end
            begun, evaluated = (None, None) if is_new else (trainer.env_steps, trainer.evaluated_at)
            others = [*served, *sinks]
            log = held.enter_context(
                FigureLog(run, resume_from=begun, evaluated_at=evaluated, names=config.sinks, others=others)
            )
            reporter = Reporter(log, observer)
            if not is_new and resume_from is None:
                reporter.message(f"{run} holds no checkpoint; it begins anew")
            for monitor in served:
                reporter.message(f"Prometheus can ask for figures at {monitor.url}")
            with StopSignal() as should_stop:
                result = trainer.run(
                    reporter,
                    should_stop,
                    on_video=lambda env_steps, video: log.write_video(env_steps, "evaluation", video),
                )
                # Before anything is closed: a run that ended there would play its final evaluation once more.
                summary = _write_outcome(run, config, result, log) if result.is_finished else None
    return Finished(run, summary)


def _write_outcome(run: Path, config: RunConfig, result: SessionResult, log: FigureLog) -> Summary:
    summary = _summarise(config, result)
    write_summary(run, summary)
    Dispensable("the learning curve").attempt(_show_curve, run, log, result.env_steps)
    Dispensable("the report").attempt(write_report, run)
    return summary


def _show_curve(run: Path, log: FigureLog, env_steps: int) -> None:
    """Draw the learning curve into the run's folder, and give it to the sinks."""
    log.write_picture(env_steps, "learning_curve", plot_learning_curve(run).read_bytes())


@contextmanager
def _threads(num_threads: int | None) -> Iterator[None]:
    """Let PyTorch compute with so many threads, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _summarise(config: RunConfig, result: SessionResult) -> Summary:
    return Summary(
        preset=config.preset,
        seed=config.seed,
        env_steps=result.env_steps,
        updates=result.updates,
        wall_seconds=result.seconds,
        eval_return_mean=float(np.mean(result.eval_returns)),
        eval_returns=tuple(result.eval_returns),
        env_steps_per_second=result.env_steps / result.seconds,
        updates_per_second=result.updates / result.seconds,
        peak_rss_bytes=peak_rss_bytes(),
        versions=library_versions(),
        dose=result.dose,
        dormant_shares=result.dormant_shares,
        collect_share=None if result.work is None else result.work.collect,
        reanalyse_share=None if result.work is None else result.work.reanalyse,
        collectors=config.distributed.collectors,
    )
