"""How a file is replaced: whole or not at all, whenever the process is killed."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from kvzero.errors import RunError

__all__ = ["flush_folder", "make_parent", "write_atomically"]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where there is no room."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that a kill at any moment leaves the old one or the new.

    Raises:
        RunError: if the folder cannot be written to; what stood at `path` is still there then.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        advice = "free some space, or choose another place" if error.errno in FULL else "choose another place"
        raise RunError(f"cannot write {path}: {error.strerror}; {advice}") from error


def make_parent(path: Path) -> None:
    """Make the folder that a file is to lie in, unless it is there.

    Raises:
        RunError: if it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the folder {path.parent} for {path.name}: {error.strerror}; choose another place"
        ) from error


def flush_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk.

    Raises:
        OSError: if it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
