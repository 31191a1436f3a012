"""How fast a run with collectors is, measured with a few of them on this machine and simulated with many.

    python results/distributed/collectors.py [--turns 4] [--rounds 10] [--out results/distributed]

Two environments: CartPole, whose updates are most of the work, and CartPole with 5 ms added to each step and so few
updates that collecting is most of the work.

Against one process: both runs go on together; in each turn first the one, then the other makes some rounds. The first
round of a block is not counted, as the collectors have made it during the other run's block.

The forecast: what a round costs is measured with one collector in turns with the learner (lag 0). From that the runs
of 1 to 64 collectors at lag 1 are simulated, in rounds of one batch of the same size from each; with 1 and 2 they are
made, too. The simulation has a core for every process. Whether that holds of what was measured is told by the
processors that learner and collectors kept busy: where they are fewer than the machine has, none waited for one. All
processes compute with one thread.

Writes collectors.json and collectors.md, the table in the guide *Many machines*. Takes about five minutes.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))  # for collectors
sys.path.insert(0, str(HERE))

import psutil  # noqa: E402
import torch  # noqa: E402
from forecast import LAG, forecast, tabulate  # noqa: E402
from simulation import Costs  # noqa: E402

import kvzero  # noqa: E402
from kvzero.reports import machine_facts  # noqa: E402
from kvzero.training import Trainer  # noqa: E402
from kvzero.training.distributed.cluster import open_cluster  # noqa: E402

WARM_ROUNDS = 4
SLOW_REPLAY_RATIO = 0.05
MEASURED = (1, 2)
"""Numbers of collectors that runs are made with."""


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


def with_collectors(config: kvzero.RunConfig, num_collectors: int, *, lag: int) -> kvzero.RunConfig:
    """Return the run with collectors in the Ray that this process is connected to."""
    distributed = kvzero.DistributedConfig(collectors=num_collectors, lag=lag, cluster="auto")
    return replace(config, distributed=distributed)


def measure_turns(config: kvzero.RunConfig, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the speeds of a run in one process and of one with collectors, turn by turn."""
    crewed = with_collectors(config, args.collectors, lag=args.lag)
    with ExitStack() as opened:
        alone = opened.enter_context(closing(Trainer(config, folder / "alone")))
        crew = opened.enter_context(closing(Trainer(crewed, folder / "crew")))
        for trainer in (alone, crew):
            make_rounds(trainer, WARM_ROUNDS)
        turns = [[make_rounds(trainer, args.rounds) for trainer in (alone, crew)] for _ in range(args.turns)]
        figures = crew.measure()
    return {
        "collectors": args.collectors,
        "lag": args.lag,
        "alone_env_steps_per_second": statistics.median(turn[0] for turn in turns),
        "crew_env_steps_per_second": statistics.median(turn[1] for turn in turns),
        "ratio": statistics.median(turn[1] / turn[0] for turn in turns),
        "turns": turns,
        "figures": {name: figure for name, figure in figures.items() if name.startswith("collector")},
    }


class Timed:
    """A function, and the seconds that its calls took."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.seconds = 0.0
        self._function = function

    def __call__(self, *given: Any) -> Any:
        """Call it."""
        begun = time.perf_counter()
        try:
            return self._function(*given)
        finally:
            self.seconds += time.perf_counter() - begun


def measure_costs(config: kvzero.RunConfig, num_rounds: int, folder: Path) -> Costs:
    """Return what rounds of one collector cost that takes turns with the learner."""
    with closing(Trainer(with_collectors(config, 1, lag=0), folder / "costs")) as trainer:
        make_rounds(trainer, WARM_ROUNDS)
        crew = trainer._components.source._crew
        crew._board.give = publish = Timed(crew._board.give)
        crew._actors._read = read = Timed(crew._actors._read)
        trainer.measure()
        rounds = [trainer.advance(lambda: False) for _ in range(num_rounds)]
        waited = trainer.measure()["collectors/learner_idle_seconds"]
    of_learner = sum(each.collect_seconds for each in rounds) - waited - publish.seconds
    elsewhere = waited - read.seconds - sum(each.collectors_seconds for each in rounds)
    return Costs(
        batch_steps=config.schedule.round_env_steps,
        collect=tuple(each.collectors_seconds for each in rounds),
        update=statistics.fmean(each.update_seconds for each in rounds),
        transfer=(of_learner + read.seconds) / num_rounds,
        reach=elsewhere / num_rounds,
        publish=publish.seconds / num_rounds,
    )


def cpu_seconds() -> float:
    """Return what this process and those that it began have computed."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def measure_run(config: kvzero.RunConfig, number: int, num_rounds: int, folder: Path) -> tuple[float, float]:
    """Return environment steps per second with so many collectors, and processors that were busy."""
    schedule = replace(config.schedule, round_env_steps=number * config.schedule.round_env_steps)
    crewed = with_collectors(replace(config, schedule=schedule), number, lag=LAG)
    with closing(Trainer(crewed, folder / f"run{number}")) as trainer:
        make_rounds(trainer, WARM_ROUNDS)
        computed, begun = cpu_seconds(), time.perf_counter()
        speed = make_rounds(trainer, num_rounds)
        return speed, (cpu_seconds() - computed) / (time.perf_counter() - begun)


def measure(config: kvzero.RunConfig, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return all that is told of one environment."""
    turns = measure_turns(config, args, folder)
    costs = measure_costs(config, args.rounds, folder)
    made = {number: measure_run(config, number, args.rounds, folder) for number in MEASURED}
    return {
        **turns,
        "busy_processors": {number: busy for number, (_, busy) in made.items()},
        "forecast": forecast(costs, {number: speed for number, (speed, _) in made.items()}),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--lag", type=int, default=1)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    machine, environments = machine_facts(also=["ray"]), {}
    with open_cluster("local", num_actors=max(args.collectors, *MEASURED), object_store_bytes=200_000_000):
        for name, is_slow in (("CartPole, 5 ms a step", True), ("CartPole", False)):
            with tempfile.TemporaryDirectory() as folder:
                environments[name] = measure(configure(is_slow=is_slow), args, Path(folder))
    found = json.loads(json.dumps({"machine": machine, "environments": environments}))
    (args.out / "collectors.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (args.out / "collectors.md").write_text(tabulate(found), encoding="utf-8")
    print(tabulate(found))


if __name__ == "__main__":
    main()
