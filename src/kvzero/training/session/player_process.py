"""Evaluations in a process of this machine, which is begun anew and asked again where it ends by itself."""

import logging
from functools import partial
from pathlib import Path

import torch

from kvzero.errors import ProcessError
from kvzero.processes import RemoteObject
from kvzero.records import EnvSpec
from kvzero.training.config import RunConfig
from kvzero.training.session.evaluation import Evaluation
from kvzero.training.session.player import DueEvaluation, Player

__all__ = ["PlayerProcess"]

logger = logging.getLogger(__name__)

MAX_REPLACED = 3
"""Processes of one session that may end by themselves and be replaced."""
END_SECONDS = 1.0
"""How long the process may take to end: it has nothing to save."""


class PlayerProcess:
    """The near end of one process; serves `Playing`."""

    def __init__(self, config: RunConfig, spec: EnvSpec) -> None:
        """Begin the process, which computes with as many threads as this one, on the run's device."""
        self._make = partial(Player, config, spec, device=config.device, tiers=config.tiers)
        self._asked: tuple[DueEvaluation, Path] | None = None
        self._num_replaced = 0
        self._begin()

    def ask(self, due: DueEvaluation, folder: Path) -> None:
        """Have an evaluation played for the run in this folder, once the process is ready.

        Raises:
            ProcessError: if the process has ended by itself too often.
        """
        self._asked = due, folder
        if self._is_ready:
            try:
                self._send()
            except ProcessError as error:  # it ended while there was nothing to play
                self._replace(error)

    def hear(self, seconds: float) -> Evaluation | None:
        """Return what was asked for, if it comes within so many seconds.

        Raises:
            EnvError, ConfigError: if an environment fails or cannot be made there.
            ProcessError: if the process has ended by itself too often.
        """
        return self._take_reply() if self._process.has_reply(seconds) else None

    def close(self) -> None:
        """End the process; what is under way is dropped."""
        self._process.close()

    def _begin(self) -> None:
        self._is_ready = False
        self._process = RemoteObject(
            self._make, name="the evaluator", num_threads=torch.get_num_threads(), end_seconds=END_SECONDS
        )

    def _send(self) -> None:
        if self._asked is not None:
            self._process.send_stoppable(Player.play, *self._asked)

    def _take_reply(self) -> Evaluation | None:
        """Take in that the process is ready, and ask it; or the evaluation that it played, or that it is no more."""
        try:
            reply: Evaluation | None = self._process.receive()
            if not self._is_ready:
                self._is_ready = True
                self._send()
                return None
        except ProcessError as error:
            self._replace(error)
            return None
        return reply

    def _replace(self, error: ProcessError) -> None:
        if self._num_replaced == MAX_REPLACED:
            raise error
        self._num_replaced += 1
        logger.warning("%s; it is begun anew and asked again", error)
        self._process.close()
        self._begin()
