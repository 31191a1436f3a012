"""One run of CartPole in which collectors and the learner are killed by chance, and what its replay is worth after it.

    python results/distributed/kills.py [--kills 30] [--env-steps 15000] [--seed 0] [--run FOLDER]
        [--out results/distributed]

Every kill is a SIGKILL, of a collector or, one time in three, of the learner, with whose process its Ray ends; the run
goes on with --resume then. It must end with all its steps. The replay keeps all rows, and each is looked at: within an
episode every row must be where CartPole's own physics leads from the row before by the action that it holds, so that
none is lost and none is there twice; and there must be one row for each step, but for those that resuming turns into an
episode's end. Writes kills.json.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import numpy as np
import psutil

from kvzero.agent import newest_checkpoint
from kvzero.files import load_arrays
from kvzero.replay.rows import STEP, TRUNCATED
from kvzero.reports import machine_facts

HERE = Path(__file__).resolve().parent
COLLECTOR = "ray::RemoteCollector"
NUM_COLLECTORS = 2
LOOK_SECONDS = 0.5
HANGS_SECONDS = 600.0
"""Without a line of metrics for so long, something hangs."""
LEARNER_SHARE = 1 / 3


def start(args: argparse.Namespace, run: Path) -> subprocess.Popen[bytes]:
    """Begin the run."""
    settings = {
        "collectors": NUM_COLLECTORS, "lag": args.lag, "max-restarts": 10 * args.kills, "seed": args.seed,
        "total-env-steps": args.env_steps, "replay-capacity": 4 * args.env_steps, "num-threads": 1,
        "checkpoint-every": 250, "log-every": 64, "eval-every": args.env_steps, "runs-dir": run.parent,
        "run-name": run.name,
    }  # fmt: skip
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return launch("cartpole", *words)


def launch(*words: str) -> subprocess.Popen[bytes]:
    """Start `kvzero train` with these words."""
    return subprocess.Popen([sys.executable, "-m", "kvzero", "train", *words])  # noqa: S603


def num_lines(run: Path) -> int:
    """Return how many lines of metrics there are."""
    path = run / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def await_progress(learner: subprocess.Popen[bytes], run: Path) -> bool:
    """Return whether a line of metrics and a checkpoint came, and the run goes on; raise where it hangs or failed."""
    before, give_up_at = num_lines(run), time.monotonic() + HANGS_SECONDS
    while num_lines(run) <= before or not any(run.glob("checkpoints/step_*")):
        if learner.poll() is not None:
            if learner.returncode:
                raise SystemExit(f"the run ended with {learner.returncode}")
            return False
        if time.monotonic() > give_up_at:
            raise SystemExit("the run hangs")
        time.sleep(LOOK_SECONDS)
    return learner.poll() is None


def find_collectors(learner: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the collectors of a run."""
    below = psutil.Process(learner.pid).children(recursive=True)
    return [process for process in below if any(COLLECTOR in word for word in process.cmdline())]


def read_replay(run: Path) -> dict[str, np.ndarray]:
    """Return the rows of the newest checkpoint."""
    return load_arrays(newest_checkpoint(run) / "replay.safetensors")


def num_running(rows: dict[str, np.ndarray]) -> int:
    """Return how many episodes are running: resuming makes an end of the newest step of each."""
    return sum(int(rows[f"kinds.{env}"][-1] == STEP) for env in range(len(rows["num_written"])))


def check(rows: dict[str, np.ndarray]) -> tuple[int, int]:
    """Return how many steps there are, and how many episodes were cut; raise where a row is not where it should be."""
    env = gymnasium.make("CartPole-v1").unwrapped
    num_steps = num_cut = 0
    for ring in range(len(rows["num_written"])):
        observations, actions, kinds = (rows[f"{name}.{ring}"] for name in ("observations", "actions", "kinds"))
        if len(kinds) != rows["num_written"][ring]:
            raise SystemExit(f"ring {ring} is too small to hold all rows")
        for row in np.flatnonzero(kinds[:-1] == STEP):
            env.reset()
            env.state = observations[row].astype(float)
            reached = env.step(int(actions[row]))[0]
            if not np.allclose(reached, observations[row + 1], atol=1e-5):
                raise SystemExit(f"row {row} of ring {ring} does not lead to the next")
        num_steps += int((kinds == STEP).sum())
        num_cut += int((kinds == TRUNCATED).sum())
    return num_steps, num_cut


def main() -> None:
    """Kill, wait, look and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--env-steps", type=int, default=15_000)
    parser.add_argument("--lag", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    run = args.run or Path(tempfile.mkdtemp()) / "kills"
    chance = random.Random(args.seed)
    learner, of_learner, of_collectors = start(args, run), 0, 0
    ended_in: dict[str, int] = {}  # by checkpoint: of one that is resumed twice, what the first time made of it is lost
    try:
        while of_learner + of_collectors < args.kills and await_progress(learner, run):
            time.sleep(chance.uniform(0, 2))
            if chance.random() < LEARNER_SHARE:
                learner.kill()
                learner.wait()
                of_learner += 1
                ended_in[newest_checkpoint(run).name] = num_running(read_replay(run))
                learner = launch("--resume", str(run))
            elif found := find_collectors(learner):
                chance.choice(found).kill()
                of_collectors += 1
        status = learner.wait()
    finally:
        learner.kill()
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    num_steps, num_cut = check(read_replay(run))
    ended_by_resuming = sum(ended_in.values())
    told = {
        "kills_of_learner": of_learner,
        "kills_of_collectors": of_collectors,
        "status": status,
        "env_steps": summary["env_steps"],
        "eval_return_mean": summary["eval_return_mean"],
        "steps_in_replay": num_steps,
        "steps_that_resuming_ended": ended_by_resuming,
        "episodes_cut": num_cut,
        "is_complete": num_steps == summary["env_steps"] - ended_by_resuming,
    }
    print(json.dumps(told, indent=1))
    content = {"machine": machine_facts(also=["ray"]), "lag": args.lag, "seed": args.seed, **told}
    (args.out / "kills.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if status or not told["is_complete"] or of_learner + of_collectors < args.kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
