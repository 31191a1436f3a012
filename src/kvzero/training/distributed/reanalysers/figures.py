"""What a line of metrics says of the reanalysers: how fast they are, who waited for whom, who was lost."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kvzero.training.distributed.reanalysers.messages import Found

__all__ = ["ReanalyserFigures"]


class ReanalyserFigures:
    """Adds up what was found, until it is read."""

    def __init__(self) -> None:
        self._clear()

    def note_found(self, number: int, found: Found, *, num_written: int) -> None:
        """Take in what one has found, of which so many rows were still in the replay."""
        of_one = self._of[number]
        of_one.num_rows += found.num_rows
        of_one.search_seconds += found.search_seconds
        of_one.idle_seconds += found.idle_seconds
        of_one.rss_bytes = found.rss_bytes
        self._num_overwritten += found.num_rows - num_written

    def note_wait(self, seconds: float) -> None:
        """The learner has waited."""
        self._learner_waited += seconds

    def read(self, num_restarts: Sequence[int]) -> dict[str, float]:
        """Return all, and begin anew; `num_restarts` are those of each reanalyser so far."""
        figures = {
            "reanalysis/rows": float(sum(of_one.num_rows for of_one in self._of.values())),
            "reanalysis/seconds": sum(of_one.search_seconds for of_one in self._of.values()),
            "reanalysers/overwritten_rows": float(self._num_overwritten),
            "reanalysers/learner_idle_seconds": self._learner_waited,
            "reanalysers/restarts": float(sum(num_restarts)),
        }
        for number, of_one in sorted(self._of.items()):
            name = f"reanalyser/{number}"
            figures |= {
                f"{name}/rows_per_second": of_one.num_rows / of_one.search_seconds,
                f"{name}/idle_seconds": of_one.idle_seconds,
                f"{name}/rss_bytes": float(of_one.rss_bytes),
                f"{name}/restarts": float(num_restarts[number]),
            }
        self._clear()
        return figures

    def _clear(self) -> None:
        self._num_overwritten = 0
        self._learner_waited = 0.0
        self._of: defaultdict[int, _OfOne] = defaultdict(_OfOne)


@dataclass(slots=True)
class _OfOne:
    """What one reanalyser did."""

    num_rows: int = 0
    search_seconds: float = 0.0
    idle_seconds: float = 0.0
    rss_bytes: int = 0
