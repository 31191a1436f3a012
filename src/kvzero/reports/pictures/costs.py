"""What something costs as sizes grow, as an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kvzero.files import write_atomically

__all__ = ["plot_costs"]


def plot_costs(path: Path, lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, title: str) -> None:
    """Draw milliseconds over each named size into a PNG file, on logarithmic axes, beside what linear would be.

    Raises:
        RunError: if the file cannot be written.
    """
    from kvzero.reports.pictures.plots import draw_costs, png  # noqa: PLC0415  # matplotlib is slow to import

    write_atomically(path, png(draw_costs(lines, title=title)))
