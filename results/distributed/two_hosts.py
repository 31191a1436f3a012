"""A whole run of CartPole on two hosts, and what becomes of it when the cable between them is pulled. Takes root.

    python results/distributed/two_hosts.py [--env-steps 1200] [--cut-at 700] [--scenes uncut brief final]
        [--silent-seconds 30] [--start-seconds 120] [--out results/distributed/two_hosts.json]

Both hosts are network namespaces of this machine, joined by a veth pair. The one that learns holds the head of the
cluster and runs no actors; the other one runs two collectors. In mid-run the far end of the cable is pulled: not at
all, for 20 s, or for good, after which the run goes on with --resume and collectors of its own on the host that learns.

Told are how each run ended, what it said last, and, of the rounds after the cut that it made to their end, the longest
time in which the learner waited and how many collectors were replaced; whether all steps are in the replay, row by row
as in kills.py.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from hosts import end, missing, ray_on, two_hosts  # noqa: E402
from kills import check, num_running, read_replay  # noqa: E402

from kvzero.agent import newest_checkpoint  # noqa: E402
from kvzero.reports import machine_facts, read_metrics  # noqa: E402

KVZERO = (sys.executable, "-m", "kvzero", "train")
METRICS_FILE = "metrics.jsonl"
NUM_COLLECTORS = 2
BRIEF_SECONDS = 20.0
SCENES = {"uncut": 0.0, "brief": BRIEF_SECONDS, "final": float("inf")}
"""For how long the cable is pulled."""
LOOK_SECONDS = 0.2
HANGS_SECONDS = 420.0
"""A run that has not come to its point by then hangs."""


def play(seconds: float, settings: Mapping[str, object], cut_at: int, folder: Path) -> dict[str, Any]:
    """Make a run with these settings across two hosts, pull the cable for so many seconds, and tell how it went."""
    run, log = folder / "run", folder / "learner.log"
    with two_hosts() as (near, far), ray_on(near, far, near_cpus=0, far_cpus=NUM_COLLECTORS) as address:
        place = {"collectors": NUM_COLLECTORS, "cluster": address, "runs-dir": folder, "run-name": run.name}
        words = [word for name, value in (place | settings).items() for word in (f"--{name}", str(value))]
        learner = near.begin(*KVZERO, "cartpole", *words, log=log)
        try:
            await_steps(learner, run, cut_at)
            cut = time.monotonic()
            if seconds:
                far.set_link("down")
            if 0 < seconds < float("inf"):
                time.sleep(seconds)
                far.set_link("up")
            status = learner.wait(HANGS_SECONDS)
            ended = time.monotonic()
        finally:
            end(learner)
    return {"status": status, "said": last_line(log), "seconds_from_cut_to_end": ended - cut} | look(run, after=cut_at)


def resume(folder: Path) -> dict[str, Any]:
    """Go on with a run without the other host, and tell how that went."""
    run, log = folder / "run", folder / "resumed.log"
    ended_by_resuming, begun_at = num_running(read_replay(run)), steps_told(run)
    with log.open("wb") as file:
        words = [*KVZERO, "--resume", str(run), "--cluster", "local"]
        done = subprocess.run(words, stdout=file, stderr=file, timeout=HANGS_SECONDS, check=False)  # noqa: S603
    return {"status": done.returncode, "said": last_line(log)} | look(
        run, after=begun_at, ended_by_resuming=ended_by_resuming
    )


def await_steps(learner: subprocess.Popen[bytes], run: Path, env_steps: int) -> None:
    """Return once a run has told of so many environment steps."""
    give_up_at = time.monotonic() + HANGS_SECONDS
    while steps_told(run) < env_steps:
        if learner.poll() is not None or time.monotonic() > give_up_at:
            raise SystemExit(f"the run did not come to {env_steps} steps: {learner.poll()}")
        time.sleep(LOOK_SECONDS)


def steps_told(run: Path) -> float:
    """Return the environment steps of the newest line of metrics."""
    lines = read_metrics(run) if (run / METRICS_FILE).exists() else []
    return lines[-1]["env_steps"] if lines else 0


def look(run: Path, *, after: float, ended_by_resuming: int = 0) -> dict[str, Any]:
    """Return what rounds after some steps and the replay tell; raise where a row is not where it should be."""
    lines = [line for line in read_metrics(run) if line["env_steps"] > after and "collectors/restarts" in line]
    waits = [line["collectors/learner_idle_seconds"] for line in lines]
    num_steps, num_cut = check(read_replay(run))
    env_steps = int(newest_checkpoint(run).name.split("_")[1])
    return {
        "env_steps": env_steps,
        "longest_wait_seconds": max(waits, default=0.0),
        "usual_wait_seconds": statistics.median(waits) if waits else 0.0,
        "replaced": int(lines[-1]["collectors/restarts"]) if lines else 0,
        "steps_in_replay": num_steps,
        "episodes_cut": num_cut,
        "is_complete": num_steps == env_steps - ended_by_resuming,
    }


def last_line(log: Path) -> str:
    """Return what a run said in the end."""
    return log.read_text(encoding="utf-8").strip().splitlines()[-1].strip()


def main() -> None:
    """Play the scenes, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-steps", type=int, default=1_200)
    parser.add_argument("--cut-at", type=int, default=700)
    parser.add_argument("--silent-seconds", type=float, default=30)
    parser.add_argument("--start-seconds", type=float, default=120)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--out", type=Path, default=HERE / "two_hosts.json")
    args = parser.parse_args()
    if lack := missing():
        raise SystemExit(f"two hosts take root and network namespaces: {lack}")
    settings = {
        "silent-seconds": args.silent_seconds, "start-seconds": args.start_seconds, "total-env-steps": args.env_steps,
        "eval-every": args.env_steps, "log-every": 1, "num-threads": 1,
    }  # fmt: skip
    found: dict[str, Any] = {"machine": machine_facts(), "settings": settings, "cut_at": args.cut_at}
    for scene in args.scenes:
        with tempfile.TemporaryDirectory() as folder:
            found[scene] = play(SCENES[scene], settings, args.cut_at, Path(folder))
            if found[scene]["status"]:
                found[scene]["resumed"] = resume(Path(folder))
        print(json.dumps({scene: found[scene]}, indent=1), flush=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
