"""Time to load contexts after a restart: with their keys and values, rounded, or made anew from their histories.

    python results/contexts/restart.py

Each agent is built, saved in the middle of a game, and loaded by others in turns; all numbers are medians.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from kvzero import Agent, AgentConfig, EnvSpec, ModelConfig, Network, SearchConfig

NUM_TURNS = 7
WAYS = {"every bit": {}, "int8": {"codec": "int8"}, "history only": {"history_only": True}}


@dataclass(frozen=True)
class Case:
    """One size of agent."""

    name: str
    model: ModelConfig
    spec: EnvSpec


VECTOR = EnvSpec(observation_shape=(4,), num_actions=2)
IMAGE = EnvSpec(observation_shape=(3, 64, 64), num_actions=6)
CASES = [
    *(Case(f"vector, E=64, C={size}", ModelConfig(context_tokens=size), VECTOR) for size in (16, 256)),
    *(
        Case(f"image, E=768, C={size}", ModelConfig(embed_dim=768, num_heads=8, context_tokens=size), IMAGE)
        for size in (8, 64)
    ),
]


def show(spec: EnvSpec, step: int) -> np.ndarray:
    """Return what is seen at a step: chance, the same in every process."""
    rng = np.random.default_rng(step)
    if spec.is_image:
        return rng.integers(256, size=spec.observation_shape, dtype=np.uint8)
    return rng.normal(size=spec.observation_shape).astype(np.float32)


def measure(case: Case) -> None:
    """Print a line for each way to save an agent of this size."""
    torch.manual_seed(0)
    config = AgentConfig(model=case.model, search=SearchConfig(num_simulations=25))
    network, num_steps = Network(case.model, case.spec), case.model.layout.history_steps + 2
    agents = [Agent(network, config) for _ in range(2)]
    for step in range(num_steps):
        agents[0].act(show(case.spec, step))
    with TemporaryDirectory() as folder:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for way, options in WAYS.items():
            agents[0].save_contexts(Path(folder, way), **options)
        for _ in range(NUM_TURNS):
            for way in WAYS:
                begin = time.perf_counter()
                agents[1].load_contexts(Path(folder, way))
                loaded = time.perf_counter() - begin
                agents[1].act(show(case.spec, num_steps))
                times[way].append(1000 * loaded)
        for way in WAYS:
            size = sum(path.stat().st_size for path in Path(folder, way).iterdir())
            print(f"| {case.name} | {way} | {size / 1024:,.0f} | {median(times[way]):,.1f} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| Agent | Saved | KB | load, ms |\n|---|---|--:|--:|")
    for case in CASES:
        measure(case)
