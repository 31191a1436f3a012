"""The clock of a run: seconds over all sessions."""

import time
from collections.abc import Callable

__all__ = ["RunClock"]


class RunClock:
    """Counts the seconds of this session from its making, on top of those of the sessions before it."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """Begin; `now` returns seconds of any clock that does not jump."""
        self._now = now
        self._started = now()
        self._before = 0.0

    def resume(self, seconds: float) -> None:
        """Add what sessions before this one took."""
        self._before = seconds

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent on the run so far, over all sessions."""
        return self._before + self._now() - self._started
