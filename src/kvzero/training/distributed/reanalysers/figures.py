"""What a line of metrics says of the reanalysers: how fast they are, who waited for whom, who was lost."""

from collections.abc import Sequence

from kvzero.training.distributed.reanalysers.messages import Found
from kvzero.training.distributed.work import WorkFigures

__all__ = ["ReanalyserFigures"]


class ReanalyserFigures:
    """Adds up what was found, until it is read."""

    def __init__(self) -> None:
        self._work = WorkFigures("reanalyser", "rows")
        self._num_overwritten = 0

    def note_found(self, number: int, found: Found, *, num_written: int) -> None:
        """Take in what one has found, of which so many rows were still in the replay."""
        self._work.note_work(
            number,
            found.num_rows,
            busy_seconds=found.search_seconds,
            idle_seconds=found.idle_seconds,
            rss_bytes=found.rss_bytes,
        )
        self._num_overwritten += found.num_rows - num_written

    def note_wait(self, seconds: float) -> None:
        """The learner has waited."""
        self._work.note_wait(seconds)

    def read(self, num_restarts: Sequence[int]) -> dict[str, float]:
        """Return all, and begin anew; `num_restarts` are those of each reanalyser so far."""
        figures = {
            "reanalysis/rows": float(self._work.amount),
            "reanalysis/seconds": self._work.busy_seconds,
            "reanalysers/overwritten_rows": float(self._num_overwritten),
        }
        self._num_overwritten = 0
        return figures | self._work.read(num_restarts)
