"""A training loop of one's own, of kvzero's pieces: one step in every environment, then one update."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

import kvzero
from kvzero.agent import Planner
from kvzero.envs import make_environments
from kvzero.model import Network
from kvzero.replay import Replay, build_row_spec
from kvzero.training import Collector, Learner


def learn(num_rounds: int, *, num_envs: int = 4) -> Iterator[float]:
    """Train on CartPole; yield the returns of games as they end."""
    config = kvzero.preset("cartpole")
    learning = replace(config.learner, unroll_steps=8)  # whatever you want to be otherwise
    envs = make_environments(config.env, num_envs=num_envs, training=True)
    torch.manual_seed(0)
    network = Network(config.agent.model, envs.spec)
    learner = Learner(network, learning, discount=config.agent.search.discount, total_updates=num_rounds)
    replay = Replay(config.replay, build_row_spec(envs.spec), num_envs=num_envs, seed=0)
    planner = Planner(network, config.agent, num_envs=num_envs)
    collector = Collector(envs, planner, replay, seed=0, rng=np.random.default_rng(0))
    for _ in range(num_rounds):
        learner.show(collector.observations)  # for the normaliser
        for game in collector.step(temperature=1.0):
            yield game.raw_return
        if len(replay) > 200:
            learner.take_in()
            batch = replay.sample(learning.batch_size, num_steps=learner.segment_steps)
            learner.update(batch)  # returns losses and the gradient's norm, as tensors
    envs.close()


if __name__ == "__main__":
    for earned in learn(1_000):
        print(earned)
