"""`kvzero train`: a new run from a preset or a LightZero config, or an old one resumed."""

import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro

from kvzero.cli.parse import find_value, join_repeated, parse
from kvzero.cli.streams import make_console, warn
from kvzero.compat import LightZeroWarning, load_file
from kvzero.errors import ConfigError
from kvzero.recipes import PRESETS, preset, with_rule, with_sampler
from kvzero.replay import SamplerKind
from kvzero.reports import ProgressDisplay, Summary
from kvzero.search import RuleKind
from kvzero.training import Finished, RunConfig, read_config_to_resume
from kvzero.training import resume as resume_run
from kvzero.training import train as train_run
from kvzero.training.ranks import Place, find_place, follow_rank_0

__all__ = ["LIGHTZERO", "change_run", "load_lightzero", "names_lightzero", "take_lightzero", "train"]

INTERRUPTED = 130
LIGHTZERO = "--lightzero-config"
HELP = frozenset({"-h", "--help"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on with a run from its newest checkpoint; one that was ended before its first begins anew."""

    resume: Path
    """Folder of the run."""

    total_env_steps: int | None = None
    """Environment steps at which the run ends; as configured if not given."""

    monitor: str | None = None
    """Where Prometheus can ask for the figures, PORT or HOST:PORT; as configured if not given."""

    cluster: str | None = None
    """Where collectors live: local, auto, or HOST:PORT of a cluster's head; as configured if not given."""


def train(arguments: Sequence[str]) -> int:
    """Run `kvzero train`."""
    words = list(arguments)
    place = find_place()
    if place is not None and place.rank > 0:
        return _follow(place, words)
    if any(word == "--resume" or word.startswith("--resume=") for word in words):
        return _resume(parse(Resume, words, prog="kvzero train"))
    if names_lightzero(words):
        return _train(parse_lightzero(words))
    if not words or words[0].startswith("-"):
        raise ConfigError(
            f"say what to train: kvzero train PRESET, one of {', '.join(PRESETS)}; kvzero train --resume RUN; "
            f"or kvzero train {LIGHTZERO} FILE.py"
        )
    return _train(parse_run(words[0], words[1:]))


def parse_run(name: str, arguments: Sequence[str]) -> RunConfig:
    """Return the preset called `name`, changed by flags such as `--env-id ALE/Pong-v5`.

    Raises:
        ConfigError: if there is no such preset, or a value cannot work.
    """
    return change_run(preset(name), arguments, prog=f"kvzero train {name}")


def parse_lightzero(arguments: Sequence[str]) -> RunConfig:
    """Return the run of the LightZero config named after `--lightzero-config`, changed by the other flags.

    Raises:
        ConfigError: if the file cannot be read or contradicts itself, or a value cannot work.
    """
    file, flags = take_lightzero(arguments)
    base, notes = load_lightzero(file)
    config = change_run(base, flags, prog=f"kvzero train {LIGHTZERO} {file}")
    for note in notes:
        warn(note)
    return config


def names_lightzero(words: Sequence[str]) -> bool:
    """Return whether these words name a LightZero config."""
    return any(word.partition("=")[0] == LIGHTZERO for word in words)


def take_lightzero(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the file named after `--lightzero-config`, and the other words.

    Raises:
        ConfigError: if no file is named, or a preset as well.
    """
    words = [
        part for word in arguments for part in (word.split("=", 1) if word.startswith(f"{LIGHTZERO}=") else [word])
    ]
    place = words.index(LIGHTZERO)
    if place + 1 == len(words):
        raise ConfigError(f"{LIGHTZERO} names no file; give the path of a LightZero config")
    file, flags = words[place + 1], words[:place] + words[place + 2 :]
    if flags and not flags[0].startswith("-"):
        raise ConfigError(f"{LIGHTZERO} takes the place of a preset; leave out {flags[0]!r}, or the file")
    return file, flags


def load_lightzero(file: str) -> tuple[RunConfig, list[str]]:
    """Return the run of a LightZero config, and what is to be said of it.

    Raises:
        ConfigError: if the file cannot be read or contradicts itself.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LightZeroWarning)
        config = load_file(file)
    return config, [str(warning.message) for warning in caught]


def change_run(config: RunConfig, arguments: Sequence[str], *, prog: str) -> RunConfig:
    """Return a config changed by flags; `prog` is the command whose help lists them.

    Where they choose another rule or sampler, what the config had set for its own one is left out.

    Raises:
        ConfigError: if a value cannot work, or a preset is named by a flag.
    """
    changed = parse(
        RunConfig,
        join_repeated("--tier", arguments),
        prog=prog,
        default=_choose(config, arguments),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.SuppressFixed, tyro.conf.FlagConversionOff),
    )
    if changed.preset != config.preset:
        raise ConfigError(
            f"--preset {changed.preset} would give the run a name and nothing else of that preset; name the preset "
            "first, without a flag, as in kvzero train cartpole"
        )
    return changed


def _choose(config: RunConfig, arguments: Sequence[str]) -> RunConfig:
    asked_rule, asked_sampler = find_value("--rule", arguments), find_value("--sampler", arguments)
    for rule in get_args(RuleKind):  # what else is asked for, the parser refuses
        config = with_rule(config, rule) if rule == asked_rule else config
    for sampler in get_args(SamplerKind):
        config = with_sampler(config, sampler) if sampler == asked_sampler else config
    return config


def _train(config: RunConfig) -> int:
    console = make_console()
    with ProgressDisplay(console, total_env_steps=config.schedule.total_env_steps) as progress:
        finished = train_run(config, observer=progress)
    return _report(progress, finished)


def _follow(place: Place, words: Sequence[str]) -> int:
    """Learn as rank 0 says, which alone reads what is asked for, prints, and has a status to tell of."""
    if HELP.isdisjoint(words):
        follow_rank_0(place)
    return 0


def _resume(request: Resume) -> int:
    console = make_console()
    total = request.total_env_steps or read_config_to_resume(request.resume).schedule.total_env_steps
    with ProgressDisplay(console, total_env_steps=total) as progress:
        finished = resume_run(
            request.resume,
            total_env_steps=request.total_env_steps,
            monitor=request.monitor,
            cluster=request.cluster,
            observer=progress,
        )
    return _report(progress, finished)


def _report(progress: ProgressDisplay, finished: Finished) -> int:
    """Say how it ended, below the display; where that is lost, the run has ended all the same."""
    summary = finished.summary
    if summary is None:
        progress.message(f"stopped; go on with: kvzero train --resume {shlex.quote(str(finished.run))}")
    else:
        progress.message(
            f"evaluation return {summary.eval_return_mean:.1f} over {len(summary.eval_returns)} episodes\n"
            f"{summary.env_steps:,} environment steps and {summary.updates:,} updates "
            f"in {summary.wall_seconds:.0f} s, {summary.updates_per_second:.1f} updates/s\n"
            f"{_describe_dose(summary)}\n"
            f"everything is in {finished.run}"
        )
    return INTERRUPTED if summary is None else 0


def _describe_dose(summary: Summary) -> str:
    """Say how often each step was learnt from, and how much of the network is idle."""
    said = [] if summary.dose is None else [f"each step was trained on {summary.dose:.0f} times"]
    if summary.dormant_shares:
        idle = (f"{share:.1%} of the {part}" for part, share in summary.dormant_shares.items())
        said.append(f"dormant units: {', '.join(idle)}")
    return "; ".join(said)
