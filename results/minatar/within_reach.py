"""Tell what an agent makes of rewards and deaths that one step decides: python results/minatar/within_reach.py RUN.

Before each step of a game every action is tried on a copy of it, without the chance that MinAtar repeats the last one.
Steps count at which some actions earn and others do not, or some end the game and others do not. Printed are how often
the agent then chose one that earns, or lives on, beside what choosing at random would have given; and the rewards that
its search predicted for the actions that earn and for those that do not. Needs the extra `minatar`.
"""

import argparse
import copy
import importlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import kvzero
from kvzero.training import read_config


def try_all(env: gymnasium.Env[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return what each action would earn, and whether the game would be over."""
    minatar: Any = env.unwrapped
    found = [copy.deepcopy(minatar.game.env).act(action) for action in minatar.action_set]
    return np.array([reward for reward, _ in found]), np.array([is_over for _, is_over in found])


def predicted_rewards(record: kvzero.SearchRecord, num_actions: int) -> np.ndarray:
    """Return the predicted reward of each action at the root, NaN where the search did not try it."""
    predicted = np.full(num_actions, np.nan)
    below = record.parents == 0
    predicted[record.actions[below]] = record.rewards[below]
    return predicted


def watch(env: gymnasium.Env[Any, Any], agent: kvzero.Agent, num_games: int) -> dict[str, list[float]]:
    """Return by what is counted what was seen in each of the steps that count."""
    seen = defaultdict(list)
    for game in range(num_games):
        observation, _ = env.reset(seed=game)
        agent.reset()
        is_over, score = False, 0.0
        while not is_over:
            action = agent.act(observation)
            rewards, ends = try_all(env)
            earns = rewards > 0
            if earns.any() and not earns.all():
                predicted = predicted_rewards(agent.explain(), len(rewards))
                seen["earned, chosen"].append(earns[action])
                seen["earned, at random"].append(earns.mean())
                seen["predicted where it earns"].extend(predicted[earns & ~np.isnan(predicted)])
                seen["predicted where it does not"].extend(predicted[~earns & ~np.isnan(predicted)])
            if ends.any() and not ends.all():
                seen["lived, chosen"].append(not ends[action])
                seen["lived, at random"].append(1 - ends.mean())
            observation, reward, is_over, _, _ = env.step(action)
            score += float(reward)
        seen["score of a game"].append(score)
    return seen


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--games", type=int, default=30)
    options = parser.parse_args()
    importlib.import_module("minatar.gym").register_envs()
    env = gymnasium.make(str(read_config(options.run).env.env_id))
    seen = watch(env, kvzero.Agent.load(options.run, env=env), options.games)
    for name, numbers in seen.items():
        print(f"{name:28} {np.mean(numbers):8.3f}  of {len(numbers):,}")


if __name__ == "__main__":
    main()
