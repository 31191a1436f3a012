"""The evaluator: plays whole games without exploration, in environments and a store of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from kvzero.agent import Planner
from kvzero.cache import ResultCache
from kvzero.envs import Environments
from kvzero.records import EnvSpec
from kvzero.training.recorder import Recorder

__all__ = ["Games", "StepHook", "evaluate"]

StepHook = Callable[[Int[np.ndarray, " env"]], None]


def never() -> bool:
    """Say no."""
    return False


@dataclass(frozen=True, slots=True)
class Games:
    """The games of one evaluation."""

    returns: list[float]
    """Raw return of every game, environment by environment."""

    num_cut: int
    """Games that were cut off at the limit of steps, and counted as they stood."""


def evaluate(  # noqa: PLR0913  # options, all but two
    envs: Environments,
    planner: Planner,
    *,
    num_episodes: int,
    seed: int,
    max_steps: int | None = None,
    on_step: StepHook | None = None,
    should_stop: Callable[[], bool] = never,
    recorder: Recorder | None = None,
    results: ResultCache | None = None,
) -> Games:
    """Play `num_episodes` games, each of at most `max_steps` steps.

    Every environment plays a fixed share of the games, so that short games are not counted more often than long
    ones. An environment that has played its share is no longer planned for and takes its first legal action, and one
    whose game is cut off plays no other. `on_step` is called before every step with the environments that have games
    left to play, and `recorder` is given every step. When `should_stop` says so, games under way are dropped. What is
    in `results` is not searched again.
    """
    start = envs.reset(seed)
    observations, masks, starts = start.observations, start.action_masks, np.ones(envs.num_envs, bool)
    actions, tally = envs.spec.blank_actions(envs.num_envs), _Tally(envs.num_envs, num_episodes, max_steps)
    while (ready := tally.ready()).size and not should_stop():
        planner.observe(ready, observations[ready], actions=actions[ready], starts=starts[ready])
        actions = _first_legal_actions(envs.spec, masks)
        if results is None:
            actions[ready] = planner.plan(ready, masks[ready], rng=None).actions
        else:
            actions[ready] = planner.recall(ready, masks[ready], results).actions
        if on_step is not None:
            on_step(ready)
        steps = envs.step(actions)
        if recorder is not None:
            values = planner.engine.readings(ready).values.cpu().numpy()
            recorder.add(ready, observations, actions, values, steps)
        observations, masks, starts = steps.observations, steps.action_masks, steps.terminated | steps.truncated
        tally.count(steps.raw_rewards, steps.game_over)
    return Games([value for of_env in tally.returns for value in of_env], tally.num_cut)


def _first_legal_actions(spec: EnvSpec, masks: Bool[np.ndarray, "env action"]) -> Shaped[np.ndarray, "env *dim"]:
    """Return the legal action of lowest number for each environment; zeros where actions are continuous."""
    return spec.blank_actions(len(masks)) if spec.is_continuous else masks.argmax(axis=1)


class _Tally:
    """What every environment has earned, and how many games it still has to play."""

    def __init__(self, num_envs: int, num_episodes: int, max_steps: int | None) -> None:
        self.returns: list[list[float]] = [[] for _ in range(num_envs)]
        self.num_cut = 0
        self._max_steps = max_steps
        self._quotas = np.full(num_envs, num_episodes // num_envs)
        self._quotas[: num_episodes % num_envs] += 1
        self._totals = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, np.int64)

    def ready(self) -> Int[np.ndarray, " env"]:
        """Return the environments that have games left to play."""
        return np.flatnonzero(self._quotas > 0)

    def count(self, rewards: Float[np.ndarray, " env"], game_over: Bool[np.ndarray, " env"]) -> None:
        """Take in one step of all environments."""
        self._totals += rewards
        self._lengths += 1
        is_cut = np.zeros_like(game_over) if self._max_steps is None else self._lengths >= self._max_steps
        is_cut &= ~game_over
        for env in np.flatnonzero((game_over | is_cut) & (self._quotas > 0)):
            self.returns[env].append(float(self._totals[env]))
            self.num_cut += int(is_cut[env])
            self._quotas[env] -= 1
        self._quotas[is_cut] = 0
        self._totals[game_over] = 0
        self._lengths[game_over] = 0
