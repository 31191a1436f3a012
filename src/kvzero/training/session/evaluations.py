"""The evaluations of a run: when one is due, also since an earlier session, and what is told of it."""

from collections.abc import Callable

import numpy as np

from kvzero.agent import Planner
from kvzero.envs import make_environments
from kvzero.reports import EVAL_RETURN_MAX, EVAL_RETURN_MEAN, EVAL_RETURN_MIN
from kvzero.training.config import RunConfig
from kvzero.training.evaluator import Games, evaluate
from kvzero.training.learning import Learner

__all__ = ["Evaluations", "evaluation_figures"]


class Evaluations:
    """Plays with a network as it is, in environments and a store of its own, and remembers when it last did."""

    def __init__(self, config: RunConfig, learner: Learner, *, evaluated_at: int) -> None:
        self.evaluated_at = evaluated_at
        """Environment steps at the newest evaluation that was played to its end."""
        self._config = config
        self._learner = learner

    def is_due(self, env_steps: int) -> bool:
        """Whether the curve lacks a point; a run that is over has its final evaluation instead."""
        schedule = self._config.schedule
        is_missing = env_steps // schedule.eval_every > self.evaluated_at // schedule.eval_every
        return is_missing and env_steps < schedule.total_env_steps

    def play(self, env_steps: int, *, on_step: Callable[[], None], should_stop: Callable[[], bool]) -> Games | None:
        """Play the evaluation of a run on its way, or at its end the final one; None where it was stopped.

        Raises:
            EnvError: if an environment fails.
        """
        config, schedule = self._config, self._config.schedule
        is_final = env_steps >= schedule.total_env_steps
        num_episodes = schedule.final_eval_episodes if is_final else schedule.eval_episodes
        envs = make_environments(config.env, num_envs=min(num_episodes, schedule.num_eval_envs), training=False)
        try:
            games = evaluate(
                envs,
                self._planner(envs.num_envs),
                num_episodes=num_episodes,
                seed=config.seed_for("final" if is_final else "eval"),
                max_steps=schedule.max_eval_steps or schedule.total_env_steps,
                on_step=lambda _: on_step(),
                should_stop=should_stop,
            )
        finally:
            envs.close()
        if should_stop():
            return None
        self.evaluated_at = env_steps
        return games

    def _planner(self, num_envs: int) -> Planner:
        agent = self._config.agent.with_discount(self._learner.discount)
        return Planner(self._learner.network, agent, num_envs=num_envs, num_simulations=agent.num_eval_simulations)


def evaluation_figures(games: Games) -> dict[str, float]:
    """Return what a line of metrics says of an evaluation."""
    return {
        EVAL_RETURN_MEAN: float(np.mean(games.returns)),
        EVAL_RETURN_MIN: float(np.min(games.returns)),
        EVAL_RETURN_MAX: float(np.max(games.returns)),
        "eval_episodes": float(len(games.returns)),
        "eval_cut_games": float(games.num_cut),
    }
