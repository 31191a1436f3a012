"""`kvzero compare`: one agent trained with several stores in turn, and a report on what they cost."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

from rich.console import Console

from kvzero.cache import EvictionName
from kvzero.cli.parse import parse_some
from kvzero.cli.streams import make_console, warn
from kvzero.cli.train import LIGHTZERO, change_run, load_lightzero, names_lightzero, take_lightzero
from kvzero.engines import StoreKind
from kvzero.errors import ConfigError
from kvzero.recipes import PRESETS, preset
from kvzero.reports.comparison import Comparison, judge
from kvzero.training import RunConfig
from kvzero.training.comparison import ComparisonConfig
from kvzero.training.comparison import compare as run_comparison

__all__ = ["compare", "parse_comparison"]

INTERRUPTED = 130
Choice = TypeVar("Choice")

REPLACED = {
    "seed": "--seeds",
    "run_name": "--out",
    "runs_dir": "--out",
    "agent.store": "--stores",
    "schedule.total_env_steps": "--env-steps",
}
"""Settings of a run that a comparison has another flag for."""

UNUSED = (
    "monitor",
    "agent.num_eval_simulations",
    *(f"schedule.{name}" for name in ("eval_every", "eval_episodes", "final_eval_episodes", "num_eval_envs")),
    "schedule.evaluate_beside",
    "schedule.film_evaluations",
    *(f"schedule.{name}" for name in ("max_eval_steps", "checkpoint_every", "keep_checkpoints", "log_every")),
)
"""Settings of a run that have no effect here: nothing is evaluated, every round is logged, runs take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Train the same agent with each store, in turn, and report on speed, memory, cache and whether results agree.

    Any other setting of `kvzero train PRESET` holds for all runs; `kvzero train PRESET --help` lists them.
    """

    env_steps: int | None = None
    """Environment steps of each run; must be given."""

    out: Path | None = None
    """Folder for the report and the runs, new or empty, or of the same comparison to go on with; must be given."""

    stores: str = ",".join(get_args(StoreKind))
    """Stores to compare, with commas between; the others are held against the first."""

    seeds: str = "0,1"
    """Seeds to train each of them with, with commas between."""

    pool_sizes: str | None = None
    """Sizes of pools to compare, in contexts, with commas between; as the run has them if not given."""

    eviction: str | None = None
    """Eviction strategies to compare, with commas between; as the run has it if not given."""

    num_laps: int = 10
    """Turns that every run has."""


def compare(arguments: Sequence[str]) -> int:
    """Run `kvzero compare`."""
    config = parse_comparison(arguments)
    console = make_console()
    comparison = run_comparison(config, say=console.print)
    return _report(console, comparison, config.out)


def parse_comparison(arguments: Sequence[str]) -> ComparisonConfig:
    """Return the comparison that these words describe: a preset's name or a LightZero config, and flags.

    Raises:
        ConfigError: if there is no such preset or file, or a value cannot work or would have no effect.
    """
    base, name, flags, notes = _take_base(arguments)
    # A pooled store takes every setting of a cache; one engine serves all stores, so that they alone differ.
    base = replace(base, agent=replace(base.agent, store="pooled", engine="eager"))
    request, rest = parse_some(Compare, flags, prog=f"kvzero compare {name}")
    cache = base.agent.cache
    if request.pool_sizes is not None:  # in place of those that a LightZero config names
        cache = replace(cache, init_pool_size=None, recur_pool_size=None)
    base = replace(base, agent=replace(base.agent, cache=cache))
    run = change_run(base, rest, prog=f"kvzero compare {name}")
    if request.env_steps is None or request.out is None:
        raise ConfigError("say how long and where to: give --env-steps N and --out DIR")
    _refuse_idle_flags(run, base)
    for note in notes:
        warn(note)
    return ComparisonConfig(
        run=run,
        env_steps=request.env_steps,
        out=request.out,
        stores=tuple(_choice("store", word, get_args(StoreKind)) for word in _words(request.stores)),
        seeds=_numbers("seeds", request.seeds),
        pool_sizes=_numbers("pool-sizes", request.pool_sizes),
        evictions=tuple(_choice("eviction", word, get_args(EvictionName)) for word in _words(request.eviction)),
        num_laps=request.num_laps,
        command=shlex.join(["kvzero", "compare", *arguments]),
    )


def _take_base(arguments: Sequence[str]) -> tuple[RunConfig, str, list[str], list[str]]:
    """Return the run to start from, the words that name it, the words that are left, and what is to be said of it."""
    if names_lightzero(arguments):
        file, flags = take_lightzero(arguments)
        base, notes = load_lightzero(file)
        return base, f"{LIGHTZERO} {file}", flags, notes
    if not arguments or arguments[0].startswith("-"):
        raise ConfigError(
            "say what to train: kvzero compare PRESET --env-steps N --out DIR; presets are "
            f"{', '.join(PRESETS)}; or give {LIGHTZERO} FILE.py in place of a preset; to go on with a comparison that "
            "was stopped, give the command that began it once more"
        )
    return preset(arguments[0]), arguments[0], list(arguments[1:]), []


def _refuse_idle_flags(run: RunConfig, base: RunConfig) -> None:
    for path in (*REPLACED, *UNUSED):
        if _value(run, path) != _value(base, path):
            flag = path.rpartition(".")[2].replace("_", "-")
            instead = (
                f"use {REPLACED[path]}"
                if path in REPLACED
                else "a comparison does not evaluate, saves after every lap, and is not monitored"
            )
            raise ConfigError(f"--{flag} would have no effect in a comparison; {instead}")


def _value(config: object, path: str) -> object:
    for name in path.split("."):
        config = getattr(config, name)
    return config


def _choice(kind: str, word: str, choices: tuple[Choice, ...]) -> Choice:
    found = {str(choice): choice for choice in choices}
    if word not in found:
        raise ConfigError(f"there is no {kind} {word!r}; choose from {', '.join(found)}")
    return found[word]


def _numbers(flag: str, text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError as error:
        raise ConfigError(f"--{flag} is {text!r}; give whole numbers with commas between, such as 4,20") from error


def _words(text: str | None) -> list[str]:
    return [] if text is None else [word.strip() for word in text.split(",")]


def _report(console: Console, comparison: Comparison, out: Path) -> int:
    verdict = judge(comparison)
    console.print(verdict.sentence)
    for finding in verdict.findings:
        console.print(f"  {finding.kind} {finding.variant}: {finding.text}")
    console.print(f"report in {out / 'report.html'}")
    if comparison.is_stopped:
        return INTERRUPTED
    return int(any(run.failure is not None for run in comparison.runs))
