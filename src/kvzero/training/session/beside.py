"""Evaluations that are played beside training: elsewhere, with the weights of when they were due."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from kvzero.training.session.evaluation import Evaluation
from kvzero.training.session.player import DueEvaluation

__all__ = ["Evaluator", "Playing"]

LOOK_SECONDS = 0.2
"""How long a wait for an evaluation lasts before it is asked whether to stop."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Playing(Protocol):
    """What the evaluator asks of the near end of whoever plays elsewhere.

    What is played depends on what is asked alone, so who dies is replaced and asked again.
    """

    def ask(self, due: DueEvaluation, folder: Path) -> None:
        """Have an evaluation played for the run in this folder; nothing else may be under way.

        Raises:
            ProcessError, ClusterError: if who plays has died too often.
        """
        ...

    def hear(self, seconds: float) -> Evaluation | None:
        """Return what was asked for, if it comes within so many seconds.

        Raises:
            EnvError, ConfigError: if an environment fails or cannot be made there.
            ProcessError, ClusterError: if who plays has died too often.
        """
        ...

    def close(self) -> None:
        """Have nobody play any more; what is under way is dropped."""
        ...


class Evaluator:
    """Has one evaluation played at a time, and knows which."""

    def __init__(self, playing: Playing) -> None:
        """Have them played there."""
        self.due: DueEvaluation | None = None
        """What is being played."""
        self._playing = playing

    def begin(self, due: DueEvaluation, folder: Path) -> None:
        """Have an evaluation played for the run in this folder; nothing else may be under way.

        Raises:
            ProcessError, ClusterError: as `Playing.ask`.
        """
        self.due = due
        self._playing.ask(due, folder)

    def poll(self) -> Evaluation | None:
        """Return the evaluation that was under way, if it has come to its end.

        Raises:
            EnvError, ConfigError, ProcessError, ClusterError: as `Playing.hear`.
        """
        return None if self.due is None else self._hear(0.0)

    def finish(self, should_stop: Callable[[], bool]) -> Evaluation | None:
        """Return the evaluation that is under way when it has come to its end; None where it is not to be waited for.

        Raises:
            EnvError, ConfigError, ProcessError, ClusterError: as `Playing.hear`.
        """
        while self.due is not None and not should_stop():
            if (evaluation := self._hear(LOOK_SECONDS)) is not None:
                return evaluation
        return None

    def close(self) -> None:
        """Have nothing played any more; what is under way is dropped."""
        self._playing.close()

    def _hear(self, seconds: float) -> Evaluation | None:
        evaluation = self._playing.hear(seconds)
        if evaluation is not None:
            self.due = None
        return evaluation
