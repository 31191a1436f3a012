"""The evaluations of a run: when one is due, also since an earlier session, and playing it where training waits."""

from collections.abc import Callable
from pathlib import Path

from kvzero.cache import ResultCache, Tier
from kvzero.training.config import RunConfig
from kvzero.training.learning import Learner
from kvzero.training.session.evaluation import Evaluation, play_evaluation

__all__ = ["Evaluations"]


class Evaluations:
    """Plays with a network as it is, in environments and a store of its own, and remembers when it last did."""

    def __init__(self, config: RunConfig, learner: Learner, *, evaluated_at: int, tier: Tier | None = None) -> None:
        """Go on after the evaluation that was played at so many environment steps; nothing was before the first."""
        self.evaluated_at = evaluated_at
        """Environment steps at the newest evaluation that was played to its end, or is being played elsewhere."""
        self._config = config
        self._learner = learner
        self._results = None if tier is None else ResultCache(tier=tier)

    def is_due(self, env_steps: int) -> bool:
        """Whether the curve lacks a point; a run that is over has its final evaluation instead."""
        schedule = self._config.schedule
        is_missing = env_steps // schedule.eval_every > self.evaluated_at // schedule.eval_every
        return is_missing and env_steps < schedule.total_env_steps

    def play(
        self, env_steps: int, *, folder: Path, on_step: Callable[[], None], should_stop: Callable[[], bool]
    ) -> Evaluation | None:
        """Play the evaluation of a run on its way, or at its end the final one; None where it was stopped.

        Raises:
            EnvError: if an environment fails.
        """
        evaluation = play_evaluation(
            self._config,
            self._learner.network,
            env_steps=env_steps,
            discount=self._learner.discount,
            folder=folder,
            on_step=on_step,
            should_stop=should_stop,
            results=self._results,
        )
        if evaluation is not None:
            self.evaluated_at = env_steps
        return evaluation
