"""Keep what a report needs of a finished run, and no more: python results/keep.py RUN FOLDER.

FOLDER, such as results/pong/seed0, gets the run's config without the folders and ports of its machine, its summary, its
evaluations and the picture of them: a few kilobytes, which `kvzero report` takes in place of the run.
"""

import json
import shutil
import sys
from pathlib import Path

from kvzero.records import unstructure
from kvzero.reports import ENV_STEPS, EVAL_RETURN_MEAN, EVALUATIONS_FILE, SUMMARY_FILE, read_metrics
from kvzero.training import read_config


def keep(run: Path, folder: Path) -> None:
    """Write the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    config = read_config(run).without_place()
    evaluations = [
        {ENV_STEPS: int(line[ENV_STEPS]), **{name: line[name] for name in line if name.startswith("eval_")}}
        for line in read_metrics(run)
        if EVAL_RETURN_MEAN in line
    ]
    (folder / "config.json").write_text(json.dumps(unstructure(config), indent=2) + "\n", encoding="utf-8")
    (folder / EVALUATIONS_FILE).write_text(json.dumps(evaluations, indent=1) + "\n", encoding="utf-8")
    for name in (SUMMARY_FILE, "learning_curve.png"):
        shutil.copy(run / name, folder / name)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
