"""What a simulation costs by each rule: both search the same shapes in turns, written to rules.json.

    python results/bench/rules.py

Weights are random, those of the heads included; one thread. A ratio is gumbel's time over puct's, each the faster of
two searches in a row; which rule begins changes from pair to pair.
"""

import json
from pathlib import Path
from statistics import median

import torch

from kvzero.bench import SearchBench
from kvzero.bench.own import OwnSearch
from kvzero.reports import machine_facts

NUM_PAIRS = 100
SHAPES: dict[str, dict[str, int]] = {
    "8 environments, 16 simulations, 2 actions": {"num_simulations": 16, "num_actions": 2},
    "8 environments, 16 simulations, 6 actions": {"num_simulations": 16},
    "8 environments, 25 simulations, 6 actions": {},
    "8 environments, 50 simulations, 18 actions": {"num_simulations": 50, "num_actions": 18},
    "8 environments, 16 simulations, 20 sampled actions": {"num_simulations": 16, "action_dim": 3},
    "32 environments, 16 simulations, 6 actions, width 16": {
        "num_envs": 32, "num_simulations": 16, "embed_dim": 16, "num_heads": 1, "num_layers": 1
    },
}  # fmt: skip


def take_turns(shape: dict[str, int]) -> dict[str, float]:
    """Return what a simulation of all environments costs by each rule, in microseconds, and the ratios."""
    rules = {rule: OwnSearch(SearchBench(rule=rule, random_heads=True, **shape)) for rule in ("puct", "gumbel")}
    seconds: dict[str, list[float]] = {rule: [] for rule in rules}
    for pair in range(NUM_PAIRS + 5):
        for rule in sorted(rules, reverse=pair % 2 > 0):
            seconds[rule].append(min(rules[rule].search() for _ in range(2)))
    warm = {rule: each[5:] for rule, each in seconds.items()}
    ratios = [gumbel / puct for gumbel, puct in zip(warm["gumbel"], warm["puct"], strict=True)]
    num_simulations = SearchBench(**shape).num_simulations
    return {
        **{f"{rule}_microseconds": round(1e6 * median(each) / num_simulations, 1) for rule, each in warm.items()},
        "ratio_median": round(median(ratios), 3),
        "ratio_of_the_fastest": round(min(warm["gumbel"]) / min(warm["puct"]), 3),
    }


def main() -> None:
    """Measure every shape."""
    torch.set_num_threads(1)
    found: dict[str, object] = {"machine": machine_facts()}
    found |= {name: take_turns(shape) for name, shape in SHAPES.items()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
