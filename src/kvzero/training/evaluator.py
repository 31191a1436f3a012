"""The evaluator: plays whole games without exploration, in environments and a store of its own."""

from collections.abc import Callable

import numpy as np

from kvzero.agent import Planner
from kvzero.envs import Environments
from kvzero.search import greedy_actions

__all__ = ["evaluate"]

StepHook = Callable[[], None]


def evaluate(
    envs: Environments, planner: Planner, *, num_episodes: int, seed: int, on_step: StepHook | None = None
) -> list[float]:
    """Play `num_episodes` games and return their raw returns, in the order in which environments hold them.

    Every environment plays a fixed share of the games, so that short games are not counted more often than long
    ones. An environment that has played its share is no longer planned for. `on_step` is called after every step.
    """
    quotas = np.full(envs.num_envs, num_episodes // envs.num_envs)
    quotas[: num_episodes % envs.num_envs] += 1
    start = envs.reset(seed)
    observations, masks = start.observations, start.action_masks
    starts = np.ones(envs.num_envs, bool)
    actions, totals = np.zeros(envs.num_envs, np.int64), np.zeros(envs.num_envs)
    returns: list[list[float]] = [[] for _ in range(envs.num_envs)]
    while (ready := np.flatnonzero(quotas > 0)).size:
        planner.observe(ready, observations[ready], actions=actions[ready], starts=starts[ready])
        actions[ready] = greedy_actions(planner.plan(ready, masks[ready], rng=None).visit_counts)
        steps = envs.step(actions)
        observations, masks, starts = steps.observations, steps.action_masks, steps.terminated | steps.truncated
        totals += steps.raw_rewards
        for env in np.flatnonzero(steps.game_over & (quotas > 0)):
            returns[env].append(float(totals[env]))
        quotas[steps.game_over] -= 1
        totals[steps.game_over] = 0
        if on_step is not None:
            on_step()
    return [value for of_env in returns for value in of_env]
