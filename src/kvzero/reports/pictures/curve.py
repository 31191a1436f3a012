"""The learning curve of a run, as an image in its folder."""

from pathlib import Path

from kvzero.files import write_atomically
from kvzero.reports.characters import spell
from kvzero.reports.sinks import read_metrics

__all__ = ["plot_learning_curve"]


def plot_learning_curve(run_dir: Path) -> Path:
    """Draw a run's returns over environment steps into `learning_curve.png` and return its path.

    The line is the mean return of each evaluation, the band its lowest and highest; the dots are training episodes.

    Raises:
        RunError: if the folder has no metrics or cannot be written to.
    """
    from kvzero.reports.pictures.plots import draw_returns, png  # noqa: PLC0415  # matplotlib is slow to import

    path = run_dir / "learning_curve.png"
    write_atomically(path, png(draw_returns(read_metrics(run_dir), title=spell(run_dir.resolve().name, "utf-8"))))
    return path
