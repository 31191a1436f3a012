"""`kvzero compare`: one agent trained with several stores in turn, and a report on what they cost."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro
from rich.console import Console

from kvzero.agent import StoreKind
from kvzero.cli.parse import parse
from kvzero.errors import ConfigError
from kvzero.recipes import PRESETS, preset
from kvzero.reports.comparison import Comparison, judge
from kvzero.training import RunConfig
from kvzero.training.comparison import ComparisonConfig
from kvzero.training.comparison import compare as run_comparison

__all__ = ["compare", "parse_comparison"]

INTERRUPTED = 130

REPLACED = {
    "seed": "--seeds",
    "run_name": "--out",
    "runs_dir": "--out",
    "agent.store": "--stores",
    "schedule.total_env_steps": "--env-steps",
}
"""Settings of a run that a comparison has another flag for."""

UNUSED = (
    "agent.num_eval_simulations",
    *(f"schedule.{name}" for name in ("eval_every", "eval_episodes", "final_eval_episodes", "num_eval_envs")),
    *(f"schedule.{name}" for name in ("max_eval_steps", "checkpoint_every", "keep_checkpoints", "log_every")),
)
"""Settings of a run that have no effect here: nothing is evaluated, every training round is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Train the same agent with each store, in turn, and report on speed, memory, cache and whether results agree."""

    run: RunConfig
    """What all runs share."""

    env_steps: int | None = None
    """Environment steps of each run; must be given."""

    out: Path | None = None
    """Folder for the report and the runs, new or empty; must be given."""

    stores: str = "tree"
    """Stores to compare, with commas between; the others are held against the first."""

    seeds: str = "0,1"
    """Seeds to train each of them with, with commas between."""

    num_laps: int = 10
    """Turns that every run has."""


def compare(arguments: Sequence[str]) -> int:
    """Run `kvzero compare`."""
    words = list(arguments)
    if not words or words[0].startswith("-"):
        raise ConfigError(
            f"say what to train: kvzero compare PRESET --env-steps N --out DIR; presets are {', '.join(PRESETS)}"
        )
    config = parse_comparison(words[0], words[1:])
    console = Console(soft_wrap=True, highlight=False)
    comparison = run_comparison(config, say=lambda line: console.print(line, markup=False))
    return _report(console, comparison, config.out)


def parse_comparison(name: str, arguments: Sequence[str]) -> ComparisonConfig:
    """Return the comparison that these flags describe, on the preset called `name`.

    Raises:
        ConfigError: if there is no such preset, or a value cannot work or would have no effect.
    """
    base = preset(name)
    request = parse(
        Compare,
        arguments,
        prog=f"kvzero compare {name}",
        default=Compare(run=base),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.SuppressFixed, tyro.conf.FlagConversionOff),
    )
    if request.env_steps is None or request.out is None:
        raise ConfigError("say how long and where to: give --env-steps N and --out DIR")
    _refuse_idle_flags(request.run, base)
    return ComparisonConfig(
        run=request.run,
        env_steps=request.env_steps,
        out=request.out,
        stores=_stores(request.stores),
        seeds=_numbers("seeds", request.seeds),
        num_laps=request.num_laps,
        command=shlex.join(["kvzero", "compare", name, *arguments]),
    )


def _refuse_idle_flags(run: RunConfig, base: RunConfig) -> None:
    for path in (*REPLACED, *UNUSED):
        if _value(run, path) != _value(base, path):
            flag = path.rpartition(".")[2].replace("_", "-")
            instead = (
                f"use {REPLACED[path]}" if path in REPLACED else "a comparison neither evaluates nor saves on the way"
            )
            raise ConfigError(f"--{flag} would have no effect in a comparison; {instead}")


def _value(config: object, path: str) -> object:
    for name in path.split("."):
        config = getattr(config, name)
    return config


def _stores(text: str) -> tuple[StoreKind, ...]:
    known: tuple[StoreKind, ...] = get_args(StoreKind)
    found: dict[str, StoreKind] = {name: name for name in known}
    names = _words(text)
    for name in names:
        if name not in found:
            raise ConfigError(f"there is no store {name!r}; choose from {', '.join(known)}")
    return tuple(found[name] for name in names)


def _numbers(flag: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError as error:
        raise ConfigError(f"--{flag} is {text!r}; give whole numbers with commas between, such as 0,1") from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _report(console: Console, comparison: Comparison, out: Path) -> int:
    verdict = judge(comparison)
    console.print(verdict.sentence, markup=False)
    for finding in verdict.findings:
        console.print(f"  {finding.kind} {finding.variant}: {finding.text}", markup=False)
    console.print(f"report in {out / 'report.html'}", markup=False)
    if comparison.is_stopped:
        return INTERRUPTED
    return int(any(run.failure is not None for run in comparison.runs))
