"""One process at a time writes a run."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvzero.errors import RunError

try:
    import fcntl
except ImportError:  # Windows has no such locks: nothing keeps two processes apart there
    fcntl = None  # type: ignore[assignment]

__all__ = ["sole_writer"]

logger = logging.getLogger(__name__)


@contextmanager
def sole_writer(run: Path) -> Iterator[None]:
    """Hold the folder of a run, which exists, against all others who would write it; it is free when its process ends.

    Raises:
        RunError: if another sitting holds it.
    """
    if fcntl is None:
        yield
        return
    folder = os.open(run, os.O_RDONLY)
    try:
        _lock(folder, run)
        yield
    finally:
        os.close(folder)  # which frees it


def _lock(folder: int, run: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunError(
                f"{run} is being written by another process; wait for its end, or stop it and go on from where it "
                f"stopped: kvzero train --resume {run}"
            ) from error
        logger.warning("%s cannot be locked (%s); do not let two processes write it", run, error.strerror)
