"""The records of a game as a file for programs: JSON or NumPy's npz."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvzero.agent import SearchRecord
from kvzero.errors import ConfigError
from kvzero.files import make_parent, write_atomically
from kvzero.inspector.game import Game

__all__ = ["check_kind", "write_records"]

FORMAT = 1
"""Counts changes that a reader would have to know of."""

KINDS = (".json", ".npz")


def check_kind(path: Path) -> None:
    """Refuse a file whose name does not say how it is to be written.

    Raises:
        ConfigError: if it ends in neither .json nor .npz.
    """
    if path.suffix not in KINDS:
        raise ConfigError(f"{path} ends in neither of {' and '.join(KINDS)}, by which records are written; name it so")


def write_records(path: Path, game: Game) -> None:
    """Write the records of all steps, beside what was played, as JSON or as npz, by the ending of the file's name.

    JSON holds `format`, `game` and `records`, a list of `SearchRecord.to_json`. In npz the arrays of all records are
    stacked, with the step as first axis, under the names of the fields, and `about` is a JSON text of all else.

    Raises:
        ConfigError: if the name ends otherwise.
        RunError: if the file, or its folder, cannot be written.
    """
    check_kind(path)
    make_parent(path)
    about = {"format": FORMAT, "game": _describe(game)}
    if path.suffix == ".json":
        text = json.dumps(about | {"records": [record.to_json() for record in game.records]})
        write_atomically(path, text.encode())
        return
    buffer = io.BytesIO()
    arrays: dict[str, Any] = _stack(game.records)
    np.savez_compressed(buffer, about=np.array(json.dumps(about | _of_search(game.records))), **arrays)
    write_atomically(path, buffer.getvalue())


def _describe(game: Game) -> dict[str, Any]:
    episode = game.episode
    return {
        "checkpoint": game.checkpoint.name,
        "env": game.env.name,
        "seed": game.seed,
        "return": game.total,
        "is_cut": game.is_cut,
        "actions": [np.asarray(action).tolist() for action in episode.actions],
        "rewards": episode.rewards,
        "is_terminated": episode.is_terminated,
    }


def _of_search(records: Sequence[SearchRecord]) -> dict[str, Any]:
    """Return what is the same in all records and no array, and the principal lines."""
    first = records[0]
    names = ("engine", "store", "rule", "discount", "num_slots", "tokens_per_node")
    return {
        "search": {name: getattr(first, name) for name in names},
        "principal_lines": [record.principal_line for record in records],
    }


def _stack(records: Sequence[SearchRecord]) -> dict[str, np.ndarray]:
    """Return the arrays and the numbers of all records, one row a step; figures of the cache by their own names."""
    stacked = {name: np.stack([record.arrays()[name] for record in records]) for name in records[0].arrays()}
    figures = {
        f"cache/{name}": np.array([record.cache_figures[name] for record in records])
        for name in records[0].cache_figures
    }
    numbers = {name: np.array([getattr(record, name) for record in records]) for name in ("chosen", "num_tokens")}
    return stacked | figures | numbers
