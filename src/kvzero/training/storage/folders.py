"""The folder of a run: made once, never written over, found again to go on."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kvzero.agent import read_notes
from kvzero.errors import ConfigError, RunError
from kvzero.files import write_atomically
from kvzero.records import structure, unstructure
from kvzero.training.config import RunConfig
from kvzero.training.storage.lock import sole_writer

__all__ = ["begin_anew", "name_run", "new_run", "read_config", "read_config_to_resume", "write_config"]

CONFIG_FILE = "config.json"
MOST_AT_ONCE = 1_000
"""Runs of one preset and seed that may begin in one second."""


def name_run(config: RunConfig) -> Path:
    """Return where a new run will live: a name made of preset, seed and time may yet be followed by a number.

    Raises:
        ConfigError: if the config names a place that is not below its `runs_dir`.
        RunError: if it is named by the config, and something is there.
    """
    if config.run_name is None:
        return Path(config.runs_dir) / f"{config.preset}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    name = Path(config.run_name)
    if name.is_absolute() or not name.parts or ".." in name.parts:
        raise ConfigError(
            f"run_name is {config.run_name!r}, which names no folder below runs_dir; give the name of one, such as "
            "first, and the place of it as runs_dir"
        )
    run = Path(config.runs_dir) / config.run_name
    _refuse_taken(run)
    return run


@contextmanager
def new_run(run: Path, config: RunConfig, versions: dict[str, str]) -> Iterator[Path]:
    """Make the folder of a new run with its resolved config and library versions, and hold it against other writers.

    It gives the folder, whose name has a number behind it where the config names none and another run was begun in the
    same second.

    Raises:
        RunError: if something is there, it cannot be written, or another process is about to.
    """
    try:
        if config.run_name is None:
            run = _make_next_to(run)
        else:
            run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(run, error) from error
    with sole_writer(run):
        _refuse_taken(run)
        begin_anew(run, config, versions)
        yield run


def begin_anew(run: Path, config: RunConfig, versions: dict[str, str]) -> None:
    """Write what the folder of a run holds when it begins, also in place of what stands there.

    Raises:
        RunError: if it cannot be written.
    """
    write_config(run, config)
    _write_json(run / "versions.json", versions)


def _make_next_to(run: Path) -> Path:
    """Make a folder that was not there, of this name or with the first number behind it that is free."""
    run.parent.mkdir(parents=True, exist_ok=True)
    for folder in (run, *(run.with_name(f"{run.name}-{number}") for number in range(2, MOST_AT_ONCE))):
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise FileExistsError(f"{run} and {MOST_AT_ONCE - 2} others of its name exist")


def _refuse_taken(run: Path) -> None:
    try:
        is_taken = run.exists() and (not run.is_dir() or any(run.iterdir()))
    except OSError as error:
        raise _refusal(run, error) from error
    if is_taken:
        raise RunError(
            f"{run} already exists and is not empty; choose another --run-name, "
            f"or go on with it: kvzero train --resume {run}"
        )


def write_config(run: Path, config: RunConfig) -> None:
    """Write the resolved config of a run, whole or not at all.

    Raises:
        RunError: if it cannot be written.
    """
    _write_json(run / CONFIG_FILE, unstructure(config))


def read_config_to_resume(run: Path) -> RunConfig:
    """Return the config of a run that is to go on.

    Raises:
        RunError: if `run` is not the folder of a run, or its config cannot be read.
    """
    if run.is_file():
        raise RunError(f"{run} is a file, and no run that could go on; give the folder of a run")
    return read_config(run)


def read_config(run: Path) -> RunConfig:
    """Return the config that a run began with; `run` may be an agent in one file, which names its run's.

    Raises:
        RunError: if `run` is not the folder of a run, its config cannot be read, or it is a file whose environment is
            made by code that the file names.
        CheckpointError: if it is a file, and no agent that was exported.
    """
    if run.is_file():
        return _read_exported(run)
    path = run / CONFIG_FILE
    try:
        return structure(json.loads(path.read_text(encoding="utf-8")), RunConfig)
    except OSError as error:
        raise RunError(
            f"{run} is not the folder of a run: {CONFIG_FILE} cannot be read ({error}); "
            "give one that kvzero train made, such as runs/cartpole-seed0-..."
        ) from error
    except (ConfigError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); it is damaged or from another version") from error


def _read_exported(path: Path) -> RunConfig:
    """Return the config of the run that an agent in one file is from.

    Such a file may come from anyone. An environment that is named by its module is whatever that module does when it is
    called, so it is not made for a file's asking.
    """
    try:
        config = structure(read_notes(path).get("run"), RunConfig)
    except ConfigError as error:
        raise RunError(f"the config in {path} cannot be read ({error}); it is from another version") from error
    if ":" in config.env.env_id:
        raise RunError(
            f"{path} names code to be called for its environment, {config.env.env_id}, and a file that was handed on "
            "is not trusted with that; make the environment yourself and play in it: kvzero.Agent.load(file, env=env)"
        )
    return config


def _write_json(path: Path, content: object) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def _refusal(run: Path, error: OSError) -> RunError:
    return RunError(f"run folder {run} cannot be written ({error}); choose another --runs-dir")
