"""Updates per second of a preset with one rank and with two, on random batches of its own shapes.

python results/distributed/ranks.py --preset cartpole --updates 50
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

import kvzero
from kvzero.recipes import preset
from kvzero.training.learning import Ranks
from kvzero.training.ranks import in_ranks
from kvzero.training.session.components import build_components

WARM_UP = 5


def measure(arguments: argparse.Namespace, ranks: Ranks) -> dict[str, float]:
    """Collect until batches can be drawn, and time updates."""
    config = replace(preset(arguments.preset), device=arguments.device)
    parts, _ = build_components(config, ranks=ranks)
    for _ in range(50):
        parts.source.collector.step(1.0)
    learner = parts.learner
    batches = [parts.replay.sample(config.learner.batch_size, num_steps=learner.segment_steps) for _ in range(8)]
    for number in range(WARM_UP):
        learner.update(batches[number])
    started = time.perf_counter()
    for number in range(arguments.updates):
        figures = learner.update(batches[number % len(batches)])
    float(figures["loss"])  # waits for the device
    seconds = time.perf_counter() - started
    parts.close()
    return {"ranks": ranks.num_ranks, "updates_per_second": arguments.updates / seconds}


def launch(num_ranks: int, words: list[str]) -> dict[str, float]:
    """Return what so many ranks of this script measure."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks)]
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, *launcher, str(Path(__file__)), "--is-rank", *words]
    environment = os.environ | threads
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    """Measure in one rank and in two, in turns; print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="cartpole")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--is-rank", action="store_true", help="measure here, as torchrun started this")
    arguments = parser.parse_args()
    if arguments.is_rank:
        found = in_ranks(lambda ranks: measure(arguments, ranks))
        if os.environ["RANK"] == "0":
            print(json.dumps(found))
        return
    print(f"kvzero {kvzero.__version__}, PyTorch {torch.__version__}, {os.cpu_count()} processors, {arguments.preset}")
    for _ in range(arguments.turns):  # in turns, so that a load on the machine falls on both
        for num_ranks in (1, 2):
            print(launch(num_ranks, sys.argv[1:]), flush=True)


if __name__ == "__main__":
    main()
