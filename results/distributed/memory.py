"""Memory of learner, collectors and object store over a long run of CartPole with two collectors.

    python results/distributed/memory.py [--env-steps 50000] [--out results/distributed] [--run FOLDER]

The replay is full after a fifth of the run, and updates are few, so that it takes minutes. What is told is how much
each has grown in the second half of the run: the mean of its last quarter less that of its third. Writes memory.json.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import kvzero
from kvzero.reports import machine_facts, read_metrics

HERE = Path(__file__).resolve().parent
REPLAY_RATIO = 0.02
NUM_LINES = 200
LEARNER, STORE, COLLECTOR = "rss_bytes", "cluster/object_store_bytes", "collector/"
NUM_COLLECTORS = 2


def configure(env_steps: int, run: Path) -> kvzero.RunConfig:
    """Return the run."""
    config = kvzero.preset("cartpole")
    schedule = replace(
        config.schedule,
        total_env_steps=env_steps,
        replay_ratio=REPLAY_RATIO,
        eval_every=env_steps,
        checkpoint_every=env_steps,
        log_every=env_steps // NUM_LINES,
    )
    return replace(
        config,
        replay=replace(config.replay, replay_capacity=env_steps // 5),
        schedule=schedule,
        distributed=kvzero.DistributedConfig(collectors=NUM_COLLECTORS),
        num_threads=1,
        runs_dir=str(run.parent),
        run_name=run.name,
    )


def follow(lines: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return what each holds in the third and in the last quarter of a run, and how much more that is, in bytes."""
    names = [LEARNER, STORE, *(f"{COLLECTOR}{number}/rss_bytes" for number in range(NUM_COLLECTORS))]
    half = len(lines) // 2
    found = {}
    for name in names:
        held = np.array([line[name] for line in lines[half:]])
        third, last = held[: len(held) // 2].mean(), held[len(held) // 2 :].mean()
        found[name] = {"third_quarter_bytes": third, "last_quarter_bytes": last, "growth_bytes": last - third}
    return found


def main() -> None:
    """Train, look and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env-steps", type=int, default=50_000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    run = args.run or Path(tempfile.mkdtemp()) / "memory"
    trained = kvzero.train(configure(args.env_steps, run))
    lines = [line for line in read_metrics(trained.run) if STORE in line]
    grown = follow(lines)
    content = {
        "machine": machine_facts(also=["ray"]),
        "env_steps": trained.summary.env_steps,
        "wall_seconds": trained.summary.wall_seconds,
        "replay_steps": lines[-1]["replay_steps"],
        "lines": len(lines),
        "memory": grown,
    }
    (args.out / "memory.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    told = [
        f"{name} {each['growth_bytes'] / 1e6:+.1f} of {each['last_quarter_bytes'] / 1e6:,.0f} MB"
        for name, each in grown.items()
    ]
    print(f"growth in the second half of {trained.summary.env_steps:,} steps: {', '.join(told)}")


if __name__ == "__main__":
    main()
