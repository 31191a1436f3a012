"""The folder of a run: made once, never written over, found again to go on."""

import json
import time
from pathlib import Path

from kvzero.errors import ConfigError, RunError
from kvzero.records import structure, unstructure
from kvzero.training.config import RunConfig

__all__ = ["create_run", "read_config"]

CONFIG_FILE = "config.json"


def create_run(config: RunConfig, versions: dict[str, str]) -> Path:
    """Make the folder of a new run and write its resolved config and library versions.

    Raises:
        RunError: if the folder exists and is not empty, or cannot be written.
    """
    name = config.run_name or f"{config.preset}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    run = Path(config.runs_dir) / name
    try:
        run.mkdir(parents=True, exist_ok=True)
        if any(run.iterdir()):
            raise RunError(
                f"{run} already exists and is not empty; choose another --run-name, "
                f"or go on with it: kvzero train --resume {run}"
            )
        _write_json(run / CONFIG_FILE, unstructure(config))
        _write_json(run / "versions.json", versions)
    except RunError:
        raise
    except OSError as error:
        raise RunError(f"run folder {run} cannot be written ({error}); choose another --runs-dir") from error
    return run


def read_config(run: Path) -> RunConfig:
    """Return the config that a run began with.

    Raises:
        RunError: if `run` is not the folder of a run, or its config cannot be read.
    """
    path = run / CONFIG_FILE
    try:
        return structure(json.loads(path.read_text(encoding="utf-8")), RunConfig)
    except OSError as error:
        raise RunError(f"{run} is not the folder of a run: {CONFIG_FILE} cannot be read ({error})") from error
    except (ConfigError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); it is damaged or from another version") from error


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
