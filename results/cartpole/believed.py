"""What an agent of CartPole believes of places along the track, with the pole upright and still.

    python results/cartpole/believed.py runs/cartpole-0

Prints, for a cart at rest and for one that moves either way, what the network values each place at and what the search
does, in rewards that are not scaled. A cart that can be held is worth nearly `1 / (1 - discount)`, wherever it is.
"""

import sys
from pathlib import Path

import gymnasium
import numpy as np

import kvzero
from kvzero.training.storage import read_config

PLACES = np.linspace(-2.0, 2.0, 11, dtype=np.float32)
SPEEDS = (0.0, -0.5, 0.5)


def main() -> None:
    """Print three lines for each speed: the places, and what network and search say of them."""
    run = Path(sys.argv[1])
    env = gymnasium.make("CartPole-v1")
    agent = kvzero.Agent.load(run, env=env, num_envs=len(PLACES), device="cpu")
    scale = read_config(run).env.reward_scale
    for speed in SPEEDS:
        still = np.zeros_like(PLACES)
        agent.reset()
        agent.act(np.stack([PLACES, still + speed, still, still], axis=1))
        records = [agent.explain(place) for place in range(len(PLACES))]
        print(f"speed {speed:g}")
        for name, numbers in (
            ("place", PLACES),
            ("network", [record.predicted_values[0] / scale for record in records]),
            ("search", [record.values[0] / scale for record in records]),
        ):
            print(f"{name:>8}", *(f"{number:6.1f}" for number in numbers))


if __name__ == "__main__":
    main()
