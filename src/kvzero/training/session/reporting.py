"""Whom a run tells of itself: the log of its figures, and whoever watches it."""

import logging
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from kvzero.reports import Dispensable, FigureLog

__all__ = ["Announcer", "Observer", "Reporter"]

logger = logging.getLogger(__name__)


@runtime_checkable
class Observer(Protocol):
    """What a run tells of itself while it goes on; a progress display fits it."""

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Take in how far the run is, and what was measured there, if anything."""


@runtime_checkable
class Announcer(Protocol):
    """What an observer may have besides: it takes in sentences; a progress display does."""

    def message(self, text: str) -> None:
        """Take in something that is said once."""


class Reporter:
    """The observer that a run talks to: figures go into its log, and everything to the user's observer.

    An observer that raises is told of once, and no more is said to it.
    """

    def __init__(self, log: FigureLog, observer: Observer | None) -> None:
        self._log = log
        self._observer = observer
        self._watching = Dispensable("the observer")

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Pass on how far the run is; log figures, if there are any."""
        if figures:
            self._log.write(env_steps, figures)
        if self._observer is not None:
            self._watching.attempt(self._observer.update, env_steps, updates=updates, figures=figures)

    def message(self, text: str) -> None:
        """Pass on a sentence; it is logged where the user's observer takes none."""
        if isinstance(self._observer, Announcer):
            self._watching.attempt(self._observer.message, text)
        else:
            logger.info("%s", text)
