"""Tiny runs that stop dead, one at each of these places, to be killed: `python -m tests.training.victim RUNS`.

One process imports everything and forks a child for each place. It ends well when all children were killed.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.training.samples import tiny_config

import kvzero
from kvzero.training import Collector, Learner
from kvzero.training.storage import checkpoints

PLACES: dict[str, tuple[object, str, int]] = {
    "collecting": (Collector, "step", 15),
    "updating": (Learner, "follow", 4),  # the weights have moved, the EMA weights not yet
    "writing": (checkpoints, "_flush", 2),  # of the second checkpoint
}
"""What is patched, and which call of it does not come back."""

SECONDS = 60


def stop_at(owner: object, name: str, number: int, marker: Path) -> None:
    """Let call `number` write this process's id into `marker` and hang."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = iter(range(1, 1000))

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == number:
            temporary = marker.with_suffix(".tmp")
            temporary.write_text(str(os.getpid()))
            temporary.rename(marker)
            time.sleep(SECONDS)
        return original(*args, **kwargs)

    setattr(owner, name, stopping)


def train(runs: Path, place: str) -> None:
    stop_at(*PLACES[place], runs / f"{place}.pid")
    kvzero.train(tiny_config(runs, run_name=place))


if __name__ == "__main__":
    for place in PLACES:
        if os.fork() == 0:
            train(Path(sys.argv[1]), place)
            os._exit(1)
    ends = [os.wait()[1] for _ in PLACES]
    sys.exit(any(os.waitstatus_to_exitcode(end) != -signal.SIGKILL for end in ends))
