"""Agents of several kinds and the games that they play, the same in every process; run as a program it plays one on.

The world shows what depends on the step alone, and on what was done where that is a number; one environment begins anew
in the middle.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import Agent, AgentConfig, ModelConfig, Network, SearchConfig
from kvzero.records import EnvSpec

NUM_ENVS = 2
SAVED_AT, NUM_STEPS = 11, 19
"""The step before which games are saved, and where they end."""
IMAGES = replace(MODEL, encoder_width=ModelConfig().encoder_width)
KINDS: dict[str, tuple[ModelConfig, EnvSpec]] = {
    "discrete": (replace(MODEL, num_layers=2), SPEC),
    "continuous": (MODEL, EnvSpec(observation_shape=(5,), action_dim=2)),
    "image": (IMAGES, EnvSpec(observation_shape=(3, 16, 16), num_actions=3)),
    "memory": (replace(MODEL, num_layers=2, context_tokens=30), SPEC),  # longer than the game: nothing is forgotten
}


def config_of(kind: str, **options: Any) -> AgentConfig:
    return AgentConfig(model=KINDS[kind][0], search=SearchConfig(num_simulations=6), **options)


def network_of(kind: str, seed: int = 3) -> Network:
    return tiny_network(seed, *KINDS[kind])


def agent_of(kind: str, seed: int = 3, **options: Any) -> Agent:
    return Agent(network_of(kind, seed), config_of(kind, **options), num_envs=NUM_ENVS)


def show(spec: EnvSpec, step: int, actions: np.ndarray) -> np.ndarray:
    rng, shape = np.random.default_rng(step), (NUM_ENVS, *spec.observation_shape)
    if spec.is_image:
        return rng.integers(200, size=shape, dtype=np.uint8) + actions.astype(np.uint8)[:, None, None, None]
    seen = rng.normal(size=shape).astype(np.float32)
    seen[:, 0] += 0 if spec.is_continuous else actions
    return seen


def play(agent: Agent, first: int, last: int, actions: np.ndarray | None = None) -> list[np.ndarray]:
    """Play these steps; return the actions of each."""
    spec, done = agent.network.spec, []
    actions = spec.blank_actions(NUM_ENVS) if actions is None else actions
    for step in range(first, last):
        if step == 4:
            agent.reset(np.array([1]))
        actions = np.asarray(agent.act(show(spec, step, actions)))
        done.append(actions)
    return done


def logits_of(agent: Agent) -> list[list[float]]:
    """Return what the policy says at the roots, which shows what the agent remembers."""
    return agent._planner.engine.readings(np.arange(NUM_ENVS)).policy_logits.tolist()


def play_on(folder: Path) -> None:
    """Play every saved game of a folder to its end, and write down what was done."""
    torch.set_num_threads(1)  # as all tests do
    found = {}
    for path in sorted(folder.glob("*_*")):
        kind = path.name.split("_")[0]
        agent = Agent.load(folder / f"run-{kind}", num_envs=NUM_ENVS, device="cpu")
        loaded = agent.load_contexts(path)
        actions = np.load(folder / f"{kind}.npy")
        done = play(agent, SAVED_AT, NUM_STEPS, actions)
        found[path.name] = {
            "loaded": [loaded.num_restored, loaded.num_rebuilt, loaded.reason],
            "actions": [each.tolist() for each in done],
            "logits": logits_of(agent),
        }
    (folder / "done.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    play_on(Path(sys.argv[1]))
