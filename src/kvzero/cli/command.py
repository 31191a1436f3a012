"""The command that repeats a run: its preset, and a flag for every setting that differs from it."""

import shlex
from typing import Any

from kvzero.cli.arguments import to_words
from kvzero.errors import ConfigError
from kvzero.recipes import preset
from kvzero.training import RunConfig, flat_settings

__all__ = ["train_command"]

OF_THE_PLACE = frozenset({"runs_dir", "run_name", "monitor", "preset"})
"""What says where a run lies and is watched, and what is named otherwise."""


def train_command(config: RunConfig) -> str:
    """Return the words that begin this run anew; empty where this version has no preset of its name."""
    try:
        base = flat_settings(preset(config.preset))
    except ConfigError:
        return ""
    words = ["kvzero", "train", config.preset]
    for name, value in flat_settings(config).items():
        if name not in OF_THE_PLACE and value != base[name]:
            words += [f"--{name.replace('_', '-')}", *_words(value)]
    return shlex.join(words)


def _words(value: Any) -> list[str]:
    """Return a value as the words after its flag."""
    if isinstance(value, dict):
        return to_words(value)
    return [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]
