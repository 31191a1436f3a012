"""How bfloat16 changes what a search finds: the same searches in both number types, written to round.json.

    python results/bench/round.py

Weights are random, those of the heads included; 8 environments, 25 simulations, 6 actions, 601 bins, no exploration.
"""

import json
from pathlib import Path

import numpy as np

from kvzero.agent import Planner
from kvzero.bench import SearchBench, random_network
from kvzero.reports import machine_facts
from kvzero.search import Outcome

NUM_STEPS = 20
SHAPES = {64: 2, 768: 8}
"""Widths, and the heads of each."""


def search_all(engine: str, embed_dim: int, dtype: str) -> list[Outcome]:
    """Return the searches of environments that show the same random observations to every engine and number type."""
    config = SearchBench(
        engine=engine, dtype=dtype, embed_dim=embed_dim, num_heads=SHAPES[embed_dim], random_heads=True
    )
    planner = Planner(random_network(config), config.agent, num_envs=config.num_envs)
    rng, everyone = np.random.default_rng(0), np.arange(config.num_envs)
    masks, outcomes = np.ones((config.num_envs, config.num_actions), bool), []
    for step in range(NUM_STEPS):
        planner.observe(
            everyone,
            rng.normal(size=(config.num_envs, *config.spec.observation_shape)).astype(np.float32),
            actions=rng.integers(config.num_actions, size=config.num_envs),
            starts=np.full(config.num_envs, step == 0),
        )
        outcomes.append(planner.plan(everyone, masks, rng=None))
    return outcomes


def compare(found: list[Outcome], wanted: list[Outcome]) -> dict[str, float]:
    """Return how far searches in bfloat16 are from those in float32."""
    visits, held = (np.stack([each.visit_counts for each in outcomes]) for outcomes in (found, wanted))
    values, others = (np.stack([each.values for each in outcomes]) for outcomes in (found, wanted))
    return {
        "share_of_visits_moved": float(np.abs(visits - held).sum() / 2 / held.sum()),
        "share_of_roots_with_the_same_best_action": float((visits.argmax(-1) == held.argmax(-1)).mean()),
        "largest_value_difference_share": float(np.abs(values - others).max() / np.abs(others).max()),
    }


def main() -> None:
    """Compare every width in both engines, and the engines in float32."""
    found: dict[str, object] = {"machine": machine_facts()}
    for embed_dim in SHAPES:
        single = {engine: search_all(engine, embed_dim, "float32") for engine in ("native", "eager")}
        found[f"engines in float32, width {embed_dim}"] = compare(single["native"], single["eager"])
        for engine, wanted in single.items():
            found[f"{engine}, width {embed_dim}"] = compare(search_all(engine, embed_dim, "bfloat16"), wanted)
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
