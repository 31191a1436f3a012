"""Finished runs read back for a report; what cannot be told of is named with the reason."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from kvzero.errors import CheckpointError, RunError
from kvzero.records import unstructure
from kvzero.reports import Summary, read_evaluations, read_summary
from kvzero.reports.results import Results, RunResult, Skipped, read_results_file
from kvzero.training.config import RunConfig
from kvzero.training.storage import read_config

__all__ = ["flat_settings", "read_results"]


def read_results(places: Sequence[Path], *, tell_command: Callable[[RunConfig], str]) -> Results:
    """Return the runs in these folders, and in reports that were written as JSON, in the order given.

    `tell_command` says how a run is repeated. A folder that is unfinished, damaged, of another version or no run is
    left out with the reason, as is one that was given before. Of a folder no more is read than config, summary and
    evaluations, which may have been kept without the rest. A run is called by the name of its folder, or where
    several have the same one each as it was given.
    """
    have_names = len({place.name for place in places}) == len({place.resolve() for place in places})
    runs: list[RunResult] = []
    skipped: list[Skipped] = []
    seen: set[Path] = set()
    for place in places:
        if (where := place.resolve()) in seen:
            skipped.append(Skipped(str(place), "it was given twice"))
            continue
        seen.add(where)
        try:
            if place.is_file():
                runs += read_results_file(place)
            else:
                runs.append(_read_run(place, place.name if have_names else str(place), tell_command))
        except (RunError, CheckpointError) as error:
            skipped.append(Skipped(str(place), str(error)))
    return Results(tuple(runs), tuple(skipped))


def flat_settings(config: RunConfig) -> dict[str, Any]:
    """Return every setting of a run by its name, which no other has, as JSON holds it."""
    return dict(_flat(config))


def _flat(config: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _flat(value)
        else:
            yield field.name, unstructure(value)


def _read_run(folder: Path, name: str, tell_command: Callable[[RunConfig], str]) -> RunResult:
    config, summary = read_config(folder), read_summary(folder)
    total = config.schedule.total_env_steps
    if summary.env_steps < total:
        raise RunError(
            f"it has ended at {summary.env_steps:,} environment steps and is being made longer, to {total:,}"
        )
    if not summary.eval_returns:
        raise RunError("its final evaluation has no game")
    return RunResult(
        folder=name,
        task=config.env.name,
        preset=config.preset,
        seed=config.seed,
        settings=flat_settings(config),
        command=tell_command(config),
        curve=read_evaluations(folder),
        final_returns=summary.eval_returns,
        env_steps=summary.env_steps,
        updates=summary.updates,
        wall_seconds=summary.wall_seconds,
        env_steps_per_second=summary.env_steps_per_second,
        updates_per_second=summary.updates_per_second,
        peak_rss_bytes=summary.peak_rss_bytes,
        dose=_dose(config, summary),
        versions=summary.versions,
    )


def _dose(config: RunConfig, summary: Summary) -> float:
    """Return what a summary says of the dose, or where it is from before that was counted what it would have said."""
    if summary.dose is not None:
        return summary.dose
    return summary.updates * config.learner.positions_per_update / summary.env_steps
