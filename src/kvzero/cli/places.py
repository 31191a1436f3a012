"""Where a command leaves what it makes, of a run or of an agent in one file among others."""

from pathlib import Path

from kvzero.errors import RunError

__all__ = ["beside", "make_folder", "refuse_folder"]


def beside(run: Path, name: str) -> Path:
    """Return where something called `name` goes: into a run's folder, or next to a file, whose name it takes on."""
    return run.with_name(f"{run.stem}-{Path(name).name}") if run.is_file() else run / name


def refuse_folder(path: Path | None, *, flag: str = "--out", such_as: str = "figures.json") -> None:
    """Refuse, before anything is done, to write a file where a folder is, or into a folder that cannot be made.

    Raises:
        RunError: with what is in the way.
    """
    if path is None:
        return
    if path.is_dir():
        raise RunError(f"{path} is a folder; give {flag} the name of a file, such as {path / such_as}")
    make_folder(path.parent, flag=flag)


def make_folder(path: Path, *, flag: str = "--out") -> None:
    """Make a folder, unless it is there.

    Raises:
        RunError: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {path}: {error.strerror}; choose another {flag}") from error
