"""What reanalysis adds to an update, measured in turns with a run that has none.

    python results/ablations/reanalysis_cost.py cartpole atari-small

Each turn makes one block of updates without reanalysis, then with it, then with the values that searches found in
place of the EMA network's. The ratios are medians over turns, so that they hold on a loaded machine, too.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import torch

import kvzero
from kvzero.replay import sample_ahead
from kvzero.training import keep_freed_memory
from kvzero.training.session.components import Components, build_components

BLOCK_UPDATES = {"atari-small": 4}
NUM_UPDATES = 1_000
"""How many updates networks are taken to have had, so that all rows are older."""


def build(preset: str, num_rows: int, bootstrap: str) -> tuple[kvzero.RunConfig, Components]:
    """Return a run that has collected some thousand rows."""
    config = kvzero.preset(preset)
    config = replace(
        config,
        device="cpu",
        learner=replace(config.learner, bootstrap=bootstrap),
        reanalysis=kvzero.ReanalysisConfig(reanalysed_rows=num_rows),
    )
    parts, _ = build_components(config)
    for _ in range(200):
        parts.source.collector.step(1.0)
    parts.learner.num_updates = NUM_UPDATES
    if parts.reanalyser is not None:
        parts.reanalyser.served_updates = NUM_UPDATES
    return config, parts


def make_block(config: kvzero.RunConfig, parts: Components, num_updates: int) -> float:
    """Make some updates as a run does; return milliseconds of one."""
    begun = time.perf_counter()
    if parts.reanalyser is not None:
        parts.reanalyser.serve(num_updates, lambda: False)
    steps = parts.learner.segment_steps
    batches = sample_ahead(parts.replay, num_updates, batch_size=config.learner.batch_size, num_steps=steps)
    with closing(batches):
        for segments in batches:
            parts.learner.update(segments)
    return 1000 * (time.perf_counter() - begun) / num_updates


def measure(preset: str, num_rows: int, num_turns: int) -> None:
    """Print what an update takes in each of the three runs."""
    runs = {
        "none": build(preset, 0, "network"),
        f"R={num_rows}": build(preset, num_rows, "network"),
        f"R={num_rows}, bootstrap=search": build(preset, num_rows, "search"),
    }
    num_updates = BLOCK_UPDATES.get(preset, 12)
    turns: Sequence[list[float]] = [
        [make_block(*run, num_updates) for run in runs.values()] for _ in range(num_turns + 1)
    ][1:]
    for index, name in enumerate(runs):
        milliseconds = statistics.median(turn[index] for turn in turns)
        ratio = statistics.median(turn[index] / turn[0] for turn in turns)
        print(f"{preset}, {name}: {milliseconds:.1f} ms an update, {ratio:.3f} of one without reanalysis")


def main() -> None:
    """Measure the presets that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--turns", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for preset in args.presets:
        measure(preset, args.rows, args.turns)


if __name__ == "__main__":
    main()
