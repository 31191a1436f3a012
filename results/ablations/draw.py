"""Print what the arms of an ablation reached, as the tables of the documentation: python results/ablations/draw.py.

Arms differ in what an update or a search costs. So each is also read at the cost of the cheapest arm of its task: the
processor seconds of its whole run are spread evenly over its steps, and the evaluations are interpolated.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
HEADER = ("Arm", "Seeds", "Final, by seed", "Mean of evaluations", "At equal cost", "Minutes")


def read_arms(task: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the kept runs of a task by arm, in order of seed."""
    folders = sorted(folder for folder in task.iterdir() if folder.is_dir())
    return {
        folder.name: [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("seed*.json"))]
        for folder in folders
    }


def minutes_of(runs: list[dict[str, Any]]) -> float:
    """Return the median minutes of processor time of runs that were not interrupted."""
    return float(np.median([run["cpu_seconds"] for run in runs if run["cpu_seconds"] is not None])) / 60


def return_after(run: dict[str, Any], share: float) -> float:
    """Return the evaluation after a share of a run's steps, between those that were made."""
    steps = [line["env_steps"] for line in run["evaluations"]]
    means = [line["eval_return_mean"] for line in run["evaluations"]]
    return float(np.interp(share * run["env_steps"], steps, means))


def rows_of(arms: dict[str, list[dict[str, Any]]]) -> list[tuple[str, ...]]:
    """Return the rows of a task's table, the best at equal cost first."""
    cheapest = min(minutes_of(runs) for runs in arms.values())
    rows = []
    for arm, runs in arms.items():
        finals = [float(np.mean(run["final_returns"])) for run in runs]
        through = np.mean([line["eval_return_mean"] for run in runs for line in run["evaluations"]])
        equal = np.mean([return_after(run, cheapest / minutes_of(runs)) for run in runs])
        by_seed = " / ".join(f"{final:.1f}" for final in finals)
        rows.append((arm, f"{len(runs)}", by_seed, f"{through:.1f}", f"{equal:.1f}", f"{minutes_of(runs):.1f}"))
    return sorted(rows, key=lambda row: -float(row[4]))


def main() -> None:
    """Print one table for each task."""
    for task in sorted(folder for folder in HERE.iterdir() if folder.is_dir()):
        print(f"\n### {task.name}\n")
        for row in (HEADER, ("---",) * len(HEADER), *rows_of(read_arms(task))):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
