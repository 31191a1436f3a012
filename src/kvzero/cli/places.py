"""Where a command leaves what it makes, of a run or of an agent in one file among others."""

import os
from pathlib import Path

from kvzero.errors import RunError

__all__ = ["beside", "refuse_folder"]


def beside(run: Path, name: str) -> Path:
    """Return where something called `name` goes: into a run's folder, or next to a file, whose name it takes on."""
    return run.with_name(f"{run.stem}-{Path(name).name}") if run.is_file() else run / name


def refuse_folder(path: Path | None, *, flag: str = "--out", such_as: str = "figures.json") -> None:
    """Refuse, before anything is done, to write a file where a folder is, or into a folder that cannot be made.

    It looks, and makes nothing: what is asked for may be refused on other grounds yet.

    Raises:
        RunError: with what is in the way.
    """
    if path is None:
        return
    if path.is_dir():
        raise RunError(f"{path} is a folder; give {flag} the name of a file, such as {path / such_as}")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "may not be written to" if there.is_dir() else "is a file"
        raise RunError(f"cannot write {path}: {there} {reason}; choose another {flag}")
