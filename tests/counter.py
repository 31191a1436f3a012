"""An object that tests put into a process of its own."""

import os
import sys
import time
from pathlib import Path

from kvzero.errors import ConfigError


class Counter:
    """Counts, refuses, hangs and dies as it is told."""

    def __init__(self, closed: Path | None = None, *, hangs: bool = False) -> None:
        self.total = 0
        self._closed, self._hangs = closed, hangs

    def close(self) -> None:
        if self._hangs:
            time.sleep(60)
        if self._closed is not None:
            self._closed.write_text(str(self.total))

    def add(self, number: int = 1, *, times: int = 1) -> int:
        if number < 0:
            raise ConfigError(f"number is {number}; count upwards")
        self.total += number * times
        return self.total

    def count_on(self, should_stop, number: int) -> int:
        """Count up to a number, slowly."""
        while self.total < number and not should_stop():
            self.total += 1
            time.sleep(0.01)
        return self.total

    def facts(self) -> tuple[int, str, str]:
        return os.getpid(), os.environ["OMP_NUM_THREADS"], os.environ["LP_NUM_THREADS"]

    def divide(self) -> float:
        sys.stderr.write("dividing\n")
        return self.total / 0

    def leave(self, status: int) -> None:
        os._exit(status)


def refuse() -> Counter:
    raise ConfigError("there is nothing to count")
