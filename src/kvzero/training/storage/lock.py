"""One process at a time writes a run."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import lock_descriptor

from kvzero.errors import RunError

__all__ = ["sole_writer"]

logger = logging.getLogger(__name__)


@contextmanager
def sole_writer(run: Path, *, again: str | None = None) -> Iterator[None]:
    """Hold the folder of a run, which exists, against all others who would write it; it is free when its process ends.

    The folder itself is locked, not a file in it: nothing is left behind that a later process would have to judge.
    `again` is the command that goes on with it later, `kvzero train --resume` if not given.

    Raises:
        RunError: if another process holds it.
    """
    with ExitStack() as held:
        if not _lock(run, held):
            raise RunError(
                f"{run} is being written by another process; wait for its end, or stop it and go on from where it "
                f"stopped: {again or f'kvzero train --resume {run}'}"
            )
        yield


def _lock(run: Path, held: ExitStack) -> bool:
    """Lock a folder until `held` is closed; return whether nobody else has it, so far as the file system can tell."""
    try:
        folder = os.open(run, os.O_RDONLY)
        held.callback(os.close, folder)  # which frees it
        return lock_descriptor(folder, blocking=False)
    except OSError as error:
        logger.warning("%s cannot be locked (%s); do not let two processes write it", run, error.strerror)
        return True
