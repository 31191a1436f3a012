"""Train one arm of an ablation with one seed, and keep what it reached and cost.

    python results/ablations/run.py cartpole gumbel-16 --seed 0
    python results/ablations/run.py cartpole --list

The run itself is left in runs/ablations/, and is continued there when it was interrupted. Kept beside this file, in
TASK/ARM/seedN.json, are the command, the evaluations, and the processor seconds of the one thread that it had. Unlike
seconds by the clock, these hardly depend on what else the machine does, so that arms can be compared at equal cost.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs" / "ablations"

PUCT = ("--rule", "puct", "--num-simulations", "25")
GUMBEL = ("--rule", "gumbel", "--pb-c-init", "1.25", "--final-temperature", "0.25")
RECENT = ("--recent-rows", "2500")
"""Some presets set what would have no effect beside `GUMBEL` or another sampler; these are the defaults."""

ARMS = {
    "preset": (),
    "puct-25": PUCT,
    "gumbel-16": (*GUMBEL, "--num-simulations", "16"),
    "gumbel-4": (*GUMBEL, "--num-simulations", "4"),
    "reanalyse-0": ("--reanalysed-rows", "0"),
    "reanalyse-16": ("--reanalysed-rows", "16"),
    "reanalyse-64": ("--reanalysed-rows", "64"),
    "reanalyse-16-stored": ("--reanalysed-rows", "16", "--bootstrap", "search"),
    "reanalyse-64-stored": ("--reanalysed-rows", "64", "--bootstrap", "search"),
    "reanalyse-0-stored": ("--reanalysed-rows", "0", "--bootstrap", "search"),
    "uniform": ("--sampler", "uniform", *RECENT),
    "prioritised": ("--sampler", "prioritised", *RECENT),
    "ratio-0.1": ("--replay-ratio", "0.1"),
    "ratio-0.25": ("--replay-ratio", "0.25"),
    "ratio-1": ("--replay-ratio", "1"),
    "discount-0.98": ("--discount", "0.98"),
    "discount-0.997": ("--discount", "0.997"),
    "reward-scale-3": ("--reward-scale", "3"),
}
"""Arms by name: what is given beside a task's own flags. `preset` is what all others differ from."""

TASKS = {
    "cartpole": ("cartpole", "--eval-every", "1250", "--eval-episodes", "20"),
    "breakout": ("minatar", "--total-env-steps", "20000", "--eval-every", "5000", "--eval-episodes", "20"),
    "pong": ("atari-small", "--env-id", "ALE/Pong-v5", "--total-env-steps", "30000", "--eval-every", "5000"),
}
"""Tasks by name: preset and flags."""

IMAGE_ARMS = {"shift-0": ("--shift-pixels", "0"), "shift-3": ("--shift-pixels", "3")}


def arms_of(task: str) -> dict[str, tuple[str, ...]]:
    """Return the arms of a task; images of games are shifted, too."""
    return ARMS | IMAGE_ARMS if task == "pong" else ARMS


def command_of(task: str, arm: str, seed: int) -> list[str]:
    """Return the command that trains an arm."""
    folder = ["--runs-dir", str(RUNS / task / arm), "--run-name", f"seed{seed}"]
    return ["train", *TASKS[task], *arms_of(task)[arm], "--seed", str(seed), "--num-threads", "1", *folder]


def train(task: str, arm: str, seed: int) -> None:
    """Train an arm to its end, and write what is kept of it."""
    run = RUNS / task / arm / f"seed{seed}"
    command = command_of(task, arm, seed)
    is_new = not run.exists()
    given = command if is_new else ["train", "--resume", str(run)]
    subprocess.run([sys.executable, "-m", "kvzero", *given], check=True)  # noqa: S603
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    names = ("env_steps", "eval_return_mean", "eval_return_min", "eval_return_max", "eval_episodes", "wall_seconds")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    kept = {
        "command": " ".join(["kvzero", *command[: command.index("--runs-dir")]]),
        "cpu_seconds": usage.ru_utime + usage.ru_stime if is_new else None,
        "evaluations": [{name: line[name] for name in names} for line in lines if "eval_return_mean" in line],
        "final_returns": summary["eval_returns"],
        "env_steps": summary["env_steps"],
        "updates": summary["updates"],
        "wall_seconds": summary["wall_seconds"],
    }
    file = HERE / task / arm / f"seed{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("arms", nargs="*", metavar="ARM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print each arm's command and stop")
    args = parser.parse_args()
    known = arms_of(args.task)
    if unknown := [arm for arm in args.arms if arm not in known]:
        parser.error(f"no arm is called {unknown[0]}; there are {', '.join(known)}")
    for arm in args.arms or known:
        if args.list:
            print(arm, *command_of(args.task, arm, args.seed))
        else:
            train(args.task, arm, args.seed)


if __name__ == "__main__":
    main()
