"""The summary of a finished run: a dozen figures in `summary.json`."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from kvzero.errors import ConfigError, RunError
from kvzero.files import write_atomically
from kvzero.records import structure

__all__ = ["SUMMARY_FILE", "Summary", "read_summary", "write_summary"]

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run cost and what it reached."""

    preset: str
    """Name of the preset that the run started from."""

    seed: int
    """Seed of the run."""

    env_steps: int
    """Environment steps collected for training."""

    updates: int
    """Gradient steps."""

    wall_seconds: float
    """Time that the training took, without the start of the program; over all parts of a resumed run."""

    eval_return_mean: float
    """Mean of `eval_returns`; NaN (`null` in the file) without any."""

    eval_returns: tuple[float, ...]
    """Raw return of each episode of the last evaluation."""

    env_steps_per_second: float
    """Environment steps over the whole time, updates and evaluations included."""

    updates_per_second: float
    """Updates over the whole time, collecting and evaluations included."""

    peak_rss_bytes: int
    """Most memory that the process ever held."""

    versions: dict[str, str]
    """Versions of kvzero and of the libraries that its results depend on."""

    dose: float | None = None
    """Steps trained on per environment step: updates, times batch, times unroll; None in older summaries."""

    dormant_shares: dict[str, float] | None = None
    """Share of dormant units in each part of the network at the end; None in older summaries."""

    collect_share: float | None = None
    """Share of collecting in the time that collecting and updating take in one process; None where too few rounds were
    made to tell, and in older summaries."""

    reanalyse_share: float | None = None
    """Share of searching rows again, likewise."""

    collectors: int | None = None
    """Processes that collected, beside the learner; None for none, and in older summaries."""


def write_summary(run_dir: Path, summary: Summary) -> Path:
    """Write `summary.json` into a run's folder, whole or not at all, and return its path.

    Raises:
        RunError: if the folder cannot be written to.
    """
    path = run_dir / SUMMARY_FILE
    figures = asdict(summary)
    if math.isnan(summary.eval_return_mean):
        figures["eval_return_mean"] = None
    write_atomically(path, (json.dumps(figures, indent=2, allow_nan=False) + "\n").encode())
    return path


def read_summary(run_dir: Path) -> Summary:
    """Return the summary of a run.

    Raises:
        RunError: if the run has none, or one that cannot be read.
    """
    path = run_dir / SUMMARY_FILE
    if not path.is_file():
        raise RunError(f"{path} does not exist; the run has not ended, or this is no run's folder")
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(figures, dict) and figures.get("eval_return_mean", 0) is None:
            figures["eval_return_mean"] = math.nan
        return structure(figures, Summary)
    except (OSError, ValueError, ConfigError) as error:
        raise RunError(f"{path} is no summary of a run ({error}); delete it and resume the run") from error
