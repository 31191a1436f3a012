"""Where a comparison stands, written after every lap, so that one that ended at any moment can be taken up again."""

import json
from dataclasses import dataclass
from typing import Any

from kvzero.errors import ConfigError, RunError
from kvzero.files import write_atomically
from kvzero.records import structure, unstructure
from kvzero.reports.comparison import Ended, Turn
from kvzero.training.comparison.config import ComparisonConfig

__all__ = ["STANDING_FILE", "RunStanding", "Standing", "read_standing", "write_standing"]

STANDING_FILE = "standing.json"
FORMAT = 1

FREE = ("command", "out")
"""What may be another when a comparison is taken up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStanding:
    """What one run had measured at the end of a lap, and what it goes on from."""

    checkpoint: str | None
    """Name of its checkpoint; None if it has none yet, or has failed."""
    failure: str | None
    turns: tuple[Turn, ...]
    curve: tuple[dict[str, float | None], ...]
    games: tuple[Ended, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many laps all runs have finished, and what they had measured then."""

    started: str
    """When the comparison began, in UTC."""
    num_laps: int = 0
    """Laps that are over."""
    resumed_after: tuple[int, ...] = ()
    """How many laps were over each time that it was taken up again."""
    is_reported: bool = False
    """Whether there is nothing left to do."""
    runs: tuple[RunStanding, ...] = ()
    """In the comparison's own order of runs; empty before the first lap is over."""


def write_standing(config: ComparisonConfig, standing: Standing) -> None:
    """Write it into the comparison's folder, whole or not at all.

    Raises:
        RunError: if it cannot be written.
    """
    content = {"format": FORMAT, "config": _settings(config), "standing": unstructure(standing)}
    write_atomically(config.out / STANDING_FILE, (json.dumps(content, allow_nan=False) + "\n").encode())


def read_standing(config: ComparisonConfig) -> Standing | None:
    """Return where the comparison in this folder stands; None if there is none.

    Raises:
        RunError: if it is of a comparison with other settings, or damaged.
    """
    path = config.out / STANDING_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, settings = content["standing"], content["config"]
        is_known = content["format"] == FORMAT
        standing = _read(found) if is_known else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise RunError(
            f"{path} cannot be read ({error}); mend its permissions, or choose another --out and begin anew"
        ) from error
    if standing is None:
        raise RunError(f"{path} is of another version of kvzero; finish it with that one, or choose another --out")
    if different := _differences(settings, _settings(config)):
        raise RunError(
            f"{config.out} holds another comparison, which differs in {', '.join(different)}; give its own settings to "
            "go on with it, or choose another --out"
        )
    return standing


def _read(found: dict[str, Any]) -> Standing:
    return structure(found | {"runs": [_read_run(each) for each in found["runs"]]}, Standing)


def _read_run(found: dict[str, Any]) -> RunStanding:
    turns = [structure(turn, Turn) for turn in found["turns"]]
    games = [structure(game, Ended) for game in found["games"]]
    return structure(found | {"turns": turns, "games": games}, RunStanding)


def _settings(config: ComparisonConfig) -> dict[str, Any]:
    """Return the settings as JSON gives them back."""
    settings = {name: value for name, value in unstructure(config).items() if name not in FREE}
    found: dict[str, Any] = json.loads(json.dumps(settings))
    return found


def _differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return the names of the settings in which two trees of them differ."""
    found = []
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name), second.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other)
        elif one != other:
            found.append(name)
    return found
