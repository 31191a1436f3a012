"""Where a command leaves what it makes of a run, or of an agent in one file."""

from pathlib import Path

__all__ = ["beside"]


def beside(run: Path, name: str) -> Path:
    """Return where something called `name` goes: into a run's folder, or next to a file, whose name it takes on."""
    return run.with_name(f"{run.stem}-{Path(name).name}") if run.is_file() else run / name
