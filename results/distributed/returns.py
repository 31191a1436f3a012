"""Final returns of `cartpole` with two collectors that come as they come, beside those of one process.

    python results/distributed/returns.py [--seeds 0 1 2 3 4] [--env-steps N] [--runs FOLDER]

Each seed is trained at lag 2, whose results depend on the machine's speed, and compared with what results/cartpole
keeps of runs in one process. Writes returns.json: the final means of both, and whether no seed is lower than the lowest
in one process.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import kvzero
from kvzero.reports import machine_facts, read_summary

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "cartpole"
LAG, NUM_COLLECTORS = 2, 2


def train(seed: int, env_steps: int | None, runs: Path) -> dict[str, Any]:
    """Return what one seed came to, beside what is kept of it."""
    config = kvzero.preset("cartpole")
    if env_steps is not None:
        config = replace(config, schedule=replace(config.schedule, total_env_steps=env_steps))
    config = replace(
        config,
        seed=seed,
        distributed=kvzero.DistributedConfig(collectors=NUM_COLLECTORS, lag=LAG),
        num_threads=1,
        runs_dir=str(runs),
        run_name=f"returns-seed{seed}",
    )
    summary = kvzero.train(config).summary
    found = {
        "seed": seed,
        "env_steps": summary.env_steps,
        "updates": summary.updates,
        "wall_seconds": summary.wall_seconds,
        "return_mean": summary.eval_return_mean,
    }
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    """Train all seeds, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--env-steps", type=int)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    runs = args.runs or Path(tempfile.mkdtemp())
    seeds = [train(seed, args.env_steps, runs) for seed in args.seeds]
    ours = [each["return_mean"] for each in seeds]
    theirs = {run.name: read_summary(run).eval_return_mean for run in sorted(KEPT.glob("seed*"))}
    content = {
        "machine": machine_facts(also=["ray"]),
        "lag": LAG,
        "collectors": NUM_COLLECTORS,
        "seeds": seeds,
        "mean": statistics.fmean(ours),
        "one_process": theirs,
        "one_process_mean": statistics.fmean(theirs.values()),
        "is_within_spread": min(ours) >= min(theirs.values()),
    }
    (args.out / "returns.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(
        f"mean {content['mean']:.1f} (lowest {min(ours):.1f}), "
        f"in one process {content['one_process_mean']:.1f} (lowest {min(theirs.values()):.1f})"
    )


if __name__ == "__main__":
    main()
