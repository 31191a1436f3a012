"""Play 20 games of uniformly random actions in every task of the figure: python results/continuous/play_randomly.py."""

import json
from pathlib import Path

import numpy as np

from kvzero import EnvConfig
from kvzero.envs import make_environments

NUM_GAMES = 20
TASKS = {
    "pendulum": EnvConfig(env_id="Pendulum-v1"),
    "cartpole-balance": EnvConfig(env_id="dmc", task="cartpole-balance", action_repeat=2),
    "cartpole-swingup": EnvConfig(env_id="dmc", task="cartpole-swingup", action_repeat=2),
    "walker-walk": EnvConfig(env_id="dmc", task="walker-walk", action_repeat=2),
    "cheetah-run": EnvConfig(env_id="dmc", task="cheetah-run", action_repeat=2),
    "half-cheetah": EnvConfig(env_id="HalfCheetah-v5"),
}


def play(config: EnvConfig) -> float:
    """Return the mean return of the first game of each environment."""
    envs, rng = make_environments(config, num_envs=NUM_GAMES, training=False), np.random.default_rng(0)
    envs.reset(seed=0)
    is_over, returns = np.zeros(NUM_GAMES, bool), np.zeros(NUM_GAMES)
    while not is_over.all():
        steps = envs.step(rng.uniform(-1, 1, (NUM_GAMES, envs.spec.action_dim)).astype(np.float32))
        returns += np.where(is_over, 0.0, steps.raw_rewards)
        is_over |= steps.game_over
    envs.close()
    return round(float(returns.mean()), 1)


if __name__ == "__main__":
    found = json.dumps({task: play(config) for task, config in TASKS.items()}, indent=2)
    (Path(__file__).parent / "random.json").write_text(found + "\n", encoding="utf-8")
