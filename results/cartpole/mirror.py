"""What a run believes of CartPole's mirror image, which is worth as much as what it played.

    python results/cartpole/mirror.py runs/cartpole-0/checkpoints/step_0000005056_0000002280

Takes the games of at least 60 steps in a checkpoint's replay, windows of 8 steps of each, and the values that the
network reads at their ends; then the same with the signs of all observations and the two actions exchanged.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from kvzero.agent import load_network
from kvzero.model import Network
from kvzero.replay.rows import STEP

NUM_STEPS, SHORTEST = 8, 60
BANDS = ((0.0, 0.3), (0.3, 0.8), (0.8, 1.4), (1.4, 2.0))
"""How far the cart is off the middle, on the side where it was more often."""


def windows(rows: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield observations, actions, and how many steps the game went on."""
    for env in range(len(rows["num_written"])):
        shown, done, kinds = (rows[f"{name}.{env}"] for name in ("observations", "actions", "kinds"))
        first = 0
        for end in np.flatnonzero(kinds != STEP):
            if end - first >= SHORTEST:
                for last in range(first + NUM_STEPS, end - 2, 3):
                    yield shown[last - NUM_STEPS : last], done[last - NUM_STEPS : last], int(end - last + 1)
            first = end + 1


@torch.no_grad()
def read_last(network: Network, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return the values of the windows' last observations."""
    latents = network.encode(torch.from_numpy(observations).flatten(0, 1)).unflatten(0, observations.shape[:2])
    values: np.ndarray = network.read_values(latents, torch.from_numpy(actions))[:, -1].numpy()
    return values


def main() -> None:
    """Print a line for each band."""
    folder = Path(sys.argv[1])
    network, agent = load_network(folder, torch.device("cpu"))
    shown, done, left = (
        np.stack(part) for part in zip(*windows(load_file(folder / "replay.safetensors")), strict=True)
    )
    done, discount = done.astype(np.int64), agent.search.discount
    found, mirrored = read_last(network, shown, done), read_last(network, -shown, 1 - done)
    offset = shown[:, -1, 0] * np.sign(np.median(shown[:, -1, 0]))
    for low, high in BANDS:
        inside = (offset > low) & (offset <= high)
        if inside.any():
            earned = ((1 - discount**left) / (1 - discount))[inside].mean()
            values = f"valued {found[inside].mean():.0f}, mirrored {mirrored[inside].mean():.0f}"
            print(f"{low} to {high}: {inside.sum()} places, earned {earned:.0f}, {values}")


if __name__ == "__main__":
    main()
