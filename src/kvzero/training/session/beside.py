"""Evaluations that are played beside training: in a process of their own, with the weights of when they were due."""

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from kvzero.cache import ResultCache, open_tier
from kvzero.errors import ProcessError
from kvzero.model import Network, choose_device
from kvzero.processes import RemoteObject, ShouldStop
from kvzero.records import EnvSpec
from kvzero.training.config import RunConfig
from kvzero.training.session.evaluation import Evaluation, play_evaluation

__all__ = ["DueEvaluation", "EvaluatorProcess"]

logger = logging.getLogger(__name__)

MAX_REPLACED = 3
"""Processes of one session that may end by themselves and be replaced."""
END_SECONDS = 1.0
"""How long the process may take to end: it has nothing to save."""
LOOK_SECONDS = 0.2
"""How long a wait for an evaluation lasts before it is asked whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEvaluation:
    """An evaluation that is to be played, with all that it depends on beside the run's config."""

    env_steps: int
    """Environment steps of the run when it was due."""
    discount: float
    """The learner's discount then."""
    weights: dict[str, np.ndarray]
    """The network's weights then."""

    @property
    def moment(self) -> dict[str, int | float]:
        """All but the weights, as JSON holds it."""
        return {"env_steps": self.env_steps, "discount": self.discount}

    @classmethod
    def of(cls, network: Network, *, env_steps: int, discount: float) -> "DueEvaluation":
        """Return one of a network as it is now, which may change afterwards."""
        weights = {name: array.copy() for name, array in network.arrays().items()}
        return cls(env_steps=env_steps, discount=discount, weights=weights)


class EvaluatorProcess:
    """The near end: one process, which plays one evaluation at a time.

    What is played depends on what is asked alone, so a process that ends by itself is replaced and asked again.
    """

    def __init__(self, config: RunConfig, spec: EnvSpec) -> None:
        """Begin the process, which computes with as many threads as this one."""
        self.due: DueEvaluation | None = None
        """What is being played."""
        self._folder = Path()
        self._make = partial(_Player, config, spec)
        self._num_replaced = 0
        self._begin_process()

    def begin(self, due: DueEvaluation, folder: Path) -> None:
        """Have an evaluation played for the run in this folder; nothing else may be under way."""
        self.due, self._folder = due, folder
        if self._is_ready:
            self._ask(due)

    def poll(self) -> Evaluation | None:
        """Return the evaluation that was under way, if it has come to its end.

        Raises:
            EnvError, ConfigError: if an environment fails or cannot be made there.
            ProcessError: if the process has ended by itself too often.
        """
        return self._take_reply() if self.due is not None and self._process.has_reply() else None

    def finish(self, should_stop: Callable[[], bool]) -> Evaluation | None:
        """Return the evaluation that is under way when it has come to its end; None where it is not to be waited for.

        Raises:
            EnvError, ConfigError, ProcessError: as `poll`.
        """
        while self.due is not None and not should_stop():
            if self._process.has_reply(LOOK_SECONDS) and (evaluation := self._take_reply()) is not None:
                return evaluation
        return None

    def close(self) -> None:
        """End the process; what is under way is dropped."""
        self._process.close()

    def _begin_process(self) -> None:
        self._is_ready = False
        self._process = RemoteObject(
            self._make, name="the evaluator", num_threads=torch.get_num_threads(), end_seconds=END_SECONDS
        )

    def _ask(self, due: DueEvaluation) -> None:
        self._process.send_stoppable(_Player.play, due, self._folder)

    def _take_reply(self) -> Evaluation | None:
        """Take in that the process is ready, and ask it; or the evaluation that it played, or that it is no more."""
        try:
            reply: Evaluation | None = self._process.receive()
            if not self._is_ready and self.due is not None:
                self._is_ready = True
                self._ask(self.due)
                return None
        except ProcessError as error:
            self._replace(error)
            return None
        self.due = None
        return reply

    def _replace(self, error: ProcessError) -> None:
        if self._num_replaced == MAX_REPLACED:
            raise error
        self._num_replaced += 1
        logger.warning("%s; it is begun anew and asked again", error)
        self._process.close()
        self._begin_process()


class _Player:
    """The far end: a network that takes in weights, and plays."""

    def __init__(self, config: RunConfig, spec: EnvSpec) -> None:
        with ExitStack() as opened:
            tier = open_tier(config.tiers)
            if tier is not None:
                opened.enter_context(closing(tier))
            self._network = Network(config.agent.model, spec).to(choose_device(config.device))
            self._held = opened.pop_all()
        self._config = config
        self._results = None if tier is None else ResultCache(tier=tier)

    def play(self, should_stop: ShouldStop, due: DueEvaluation, folder: Path) -> Evaluation | None:
        """Play an evaluation; None where it is to end early."""
        self._network.load_arrays(due.weights)
        return play_evaluation(
            self._config,
            self._network,
            env_steps=due.env_steps,
            discount=due.discount,
            folder=folder,
            on_step=lambda: None,
            should_stop=should_stop,
            results=self._results,
        )

    def close(self) -> None:
        """Close the tier."""
        self._held.close()
