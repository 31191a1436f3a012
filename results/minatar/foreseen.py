"""Measure whether rewards are foreseen in games that were not trained on, after updates on random play.

    python results/minatar/foreseen.py --env-id MinAtar/Asterix-v1 --updates 1500
    python results/minatar/foreseen.py --env-id MinAtar/Asterix-v1 --updates 1500 --embed-dim 128

Two times 20,000 steps are played at random with the preset `minatar`, or with other settings of a run: the first are
trained on, the others asked about. Printed are the loss of the rewards that follow, over unrolls of five steps, next to
what knowing only how often each reward comes would cost; how much a latent's numbers vary from board to board, beside
their mean; and the share of the variance of the player's place, which the first channel of each game shows, that a
linear (ridge) reading of latents explains. On one quiet core, 1,500 updates take 100 seconds.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import kvzero
from kvzero.cli.train import parse_run
from kvzero.model import Network
from kvzero.training import Learner

sys.path.insert(0, str(Path(__file__).parents[1] / "pong"))
from seen import encode, explained, fill, play, reward_losses, reward_shares, spread

NUM_ROUNDS = 1_250


def find_player(boards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of what the first channel shows on boards `[board, channel, height, width]`."""
    down, across = np.unravel_index(boards[:, 0].reshape(len(boards), -1).argmax(1), boards.shape[2:])
    return across.astype(float), down.astype(float)


def measure(config: kvzero.RunConfig, num_updates: int) -> Iterator[str]:
    """Yield a line before training and every 500 updates."""
    (spec, steps), (_, others) = play(config, 0, NUM_ROUNDS), play(config, 1, NUM_ROUNDS)
    replay, held_out = fill(steps, spec, 0), fill(others, spec, 1)
    shown = [np.concatenate([step.fields["observations"] for step in some]) for some in (steps, others)]
    places = [find_player(boards) for boards in shown]
    torch.manual_seed(config.seed)
    network = Network(config.agent.model, spec)
    learner = Learner(network, config.learner, discount=config.agent.search.discount, total_updates=10_000)
    if config.agent.model.normalize_observations:
        learner.show(shown[0])
        learner.take_in()
    segments = [held_out.sample(400, num_steps=learner.segment_steps) for _ in range(10)]
    shares = reward_shares(replay)
    yield f"rewards among {len(replay):,}: {shares}"
    for update in range(num_updates + 1):
        if update % 500 == 0:
            found, of_how_often = reward_losses(network, segments, shares)
            latents = [encode(network, boards) for boards in shown]
            across, down = (explained(latents[0], places[0][axis], latents[1], places[1][axis]) for axis in (0, 1))
            yield (
                f"{update:5} loss_reward {found:.4f}, of how often {of_how_often:.4f}, "
                f"spread {spread(latents[1]):.3f}, player x {across:.2f}, y {down:.2f}"
            )
        learner.update(replay.sample(config.learner.batch_size, num_steps=learner.segment_steps))


def main() -> None:
    """Print what was found on the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=1500)
    options, words = parser.parse_known_args()
    for line in measure(parse_run("minatar", words), options.updates):
        print(line, flush=True)


if __name__ == "__main__":
    main()
