"""The learning curve of a run: from its metrics, or from the evaluations that were kept of it."""

import json
from pathlib import Path

from kvzero.errors import RunError
from kvzero.reports.figures import ENV_STEPS, EVAL_RETURN_MEAN
from kvzero.reports.sinks import read_metrics

__all__ = ["EVALUATIONS_FILE", "read_evaluations"]

EVALUATIONS_FILE = "evaluations.json"
"""The evaluations among a run's metrics, as a list, where the metrics themselves were not kept."""


def read_evaluations(run_dir: Path) -> tuple[tuple[int, float], ...]:
    """Return environment steps and mean return of each evaluation, in order.

    Raises:
        RunError: if the folder has neither metrics nor `evaluations.json`, or they are damaged.
    """
    path = run_dir / EVALUATIONS_FILE
    try:
        lines = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else read_metrics(run_dir)
        return tuple(
            (int(line[ENV_STEPS]), float(line[EVAL_RETURN_MEAN])) for line in lines if EVAL_RETURN_MEAN in line
        )
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path} holds no evaluations ({error!r}); copy it anew from the run") from error
