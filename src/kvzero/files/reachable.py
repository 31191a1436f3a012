"""How a library that takes text alone reaches a file below a folder whose name is none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["reachable"]

OPEN_FILES = "/dev/fd"
"""Where Linux shows the files and folders that a process holds open, by number."""


@contextmanager
def reachable(path: Path) -> Iterator[Path]:
    """Give another path to the same file, of characters that UTF-8 has: itself, or one through its open folder.

    Linux takes any bytes for a name, and a library written in another language may not.

    Raises:
        OSError: if its folder cannot be opened.
    """
    if _is_text(path):
        yield path
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield Path(OPEN_FILES, str(folder), path.name)
    finally:
        os.close(folder)


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
