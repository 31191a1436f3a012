"""How fast a run with collectors is against the same run in one process, in turns, on this machine.

    python results/distributed/collectors.py [--collectors 2] [--turns 5] [--rounds 8] [--out results/distributed]

Two environments: CartPole, whose updates are most of the work, and CartPole with 5 ms added to each step and so few
updates that collecting is most of the work. Both runs go on together: in each turn first the one, then the other makes
some rounds. The first round of a block is not counted, as the collectors have made it during the other run's block. All
processes compute with one thread.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))  # for collectors
sys.path.insert(0, str(HERE))

import torch  # noqa: E402

import kvzero  # noqa: E402
from kvzero.reports import machine_facts  # noqa: E402
from kvzero.training import Trainer  # noqa: E402

WARM_ROUNDS = 4
SLOW_REPLAY_RATIO = 0.05


def configure(*, is_slow: bool) -> kvzero.RunConfig:
    """Return the run in one process; it learns from the first rounds on."""
    config = kvzero.preset("cartpole")
    env = replace(config.env, env_id="slow:SlowCartPole") if is_slow else config.env
    schedule = replace(config.schedule, total_env_steps=1_000_000, learning_starts=0, eval_every=1_000_000)
    if is_slow:
        schedule = replace(schedule, replay_ratio=SLOW_REPLAY_RATIO)
    return replace(config, env=env, schedule=schedule, num_threads=1)


def make_rounds(trainer: Trainer, num_rounds: int) -> float:
    """Return environment steps per second over some rounds, behind one that is not counted."""
    trainer.advance(lambda: False)
    steps, begun = trainer.env_steps, time.perf_counter()
    for _ in range(num_rounds):
        trainer.advance(lambda: False)
    return (trainer.env_steps - steps) / (time.perf_counter() - begun)


def measure(config: kvzero.RunConfig, args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Return the speeds of both runs, turn by turn."""
    elsewhere = kvzero.DistributedConfig(collectors=args.collectors, lag=args.lag)
    with ExitStack() as opened:
        alone = opened.enter_context(closing(Trainer(config, folder / "alone")))
        crew = opened.enter_context(closing(Trainer(replace(config, distributed=elsewhere), folder / "crew")))
        for trainer in (alone, crew):
            make_rounds(trainer, WARM_ROUNDS)
        turns = [[make_rounds(trainer, args.rounds) for trainer in (alone, crew)] for _ in range(args.turns)]
        figures = crew.measure()
    return {
        "alone_env_steps_per_second": statistics.median(turn[0] for turn in turns),
        "crew_env_steps_per_second": statistics.median(turn[1] for turn in turns),
        "ratio": statistics.median(turn[1] / turn[0] for turn in turns),
        "turns": turns,
        "figures": {name: figure for name, figure in figures.items() if name.startswith("collector")},
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--lag", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, object] = {"collectors": args.collectors, "lag": args.lag}
    for name, is_slow in (("cartpole, 5 ms a step", True), ("cartpole", False)):
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(configure(is_slow=is_slow), args, Path(folder))
        found[name] = measured
        print(f"{name}: {measured['ratio']:.2f}x")
    content = {"machine": machine_facts(also=["ray"]), **found}
    (args.out / "collectors.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
