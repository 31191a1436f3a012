"""Whom a run tells of itself: the log of its figures, and whoever watches it."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from kvzero.reports import FigureLog

__all__ = ["Observer", "Reporter"]


@runtime_checkable
class Observer(Protocol):
    """What a run tells of itself while it goes on; a progress display fits it."""

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Take in how far the run is, and what was measured there, if anything."""


class Reporter:
    """The observer that a run talks to: figures go into its log, and everything to the user's observer."""

    def __init__(self, log: FigureLog, observer: Observer | None) -> None:
        self._log = log
        self._observer = observer

    def update(self, env_steps: int, *, updates: int, figures: Mapping[str, float] | None = None) -> None:
        """Pass on how far the run is; log figures, if there are any."""
        if figures:
            self._log.write(env_steps, figures)
        if self._observer is not None:
            self._observer.update(env_steps, updates=updates, figures=figures)
