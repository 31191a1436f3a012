"""Where compiled libraries are kept: in a folder of the user's own, whoever the user is."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kvzero.errors import EngineError

__all__ = ["choose_folder"]

VARIABLE = "KVZERO_CACHE_DIR"


def choose_folder() -> Path:
    """Return the first folder that can be used, made if need be: the one named, else the user's, else a temporary one.

    The one named by KVZERO_CACHE_DIR is the only one to choose from where it is given.

    Raises:
        EngineError: if none can be used.
    """
    refusals = []
    for folder in _candidates():
        try:
            return _take(folder)
        except (OSError, RuntimeError) as error:  # RuntimeError where `~` has no meaning
            refusals.append(str(error))
    said = "; ".join(refusals) or "there is neither a home nor a temporary folder"
    raise EngineError(f"no library can be kept: {said}; set {VARIABLE} to a folder of your own")


def _candidates() -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named)
        return
    with suppress(RuntimeError):  # there is no home, as for a container's user without a name
        yield _user_caches() / "kvzero"
    with suppress(FileNotFoundError):  # not one of the usual folders can be written
        yield Path(tempfile.gettempdir()) / f"kvzero-{os.getuid()}"


def _user_caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".cache"


def _take(folder: Path) -> Path:
    """Make a folder for this user alone, and look whether files can be written there."""
    folder = folder.expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    tempfile.TemporaryFile(dir=folder).close()
    return folder
