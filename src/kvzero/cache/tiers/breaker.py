"""When to stop asking what keeps failing, and when to ask again."""

import time
from collections.abc import Callable

__all__ = ["MAX_FAILURES", "Breaker"]

MAX_FAILURES = 3
"""Failures one after another that open a breaker."""

FIRST_WAIT_SECONDS = 0.5
LAST_WAIT_SECONDS = 30.0


class Breaker:
    """Open after three failures one after another, and then now and then due for a trial.

    A trial that succeeds closes it, but the next failure opens it again at once, and twice as long passes until the
    next trial: what answers trials only shall not cost more and more. The first other success ends all this.

    Two threads may use it: a failure that one of them overlooks makes no difference.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_failures = 0
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._due_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing is to be asked but in a trial."""
        return self._num_failures >= MAX_FAILURES

    @property
    def is_due(self) -> bool:
        """Whether a trial is due."""
        return self.is_open and self._clock() >= self._due_at

    def fail(self) -> None:
        """Count a failure, of a trial too."""
        self._num_failures += 1
        if self._num_failures == MAX_FAILURES:
            self._due_at = self._clock() + self._wait_seconds
            self._wait_seconds = min(2 * self._wait_seconds, LAST_WAIT_SECONDS)
        elif self.is_open:
            self._due_at = self._clock() + FIRST_WAIT_SECONDS

    def trip(self) -> None:
        """Open at the first failure."""
        self._num_failures = max(self._num_failures, MAX_FAILURES - 1)
        self.fail()

    def succeed(self) -> None:
        """Forget all failures."""
        self._num_failures = 0
        self._wait_seconds = FIRST_WAIT_SECONDS

    def pass_trial(self) -> None:
        """Close, for as long as nothing fails."""
        self._num_failures = MAX_FAILURES - 1
