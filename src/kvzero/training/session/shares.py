"""What a run is the work of, by the rounds of this session that tell."""

from kvzero.reports import WorkShares
from kvzero.training.session.loop import RoundResult

__all__ = ["TimeShares"]

MEASURED_ROUNDS = 4
"""Rounds with updates after which shares are known well enough to be told."""


class TimeShares:
    """Sums what collecting, searching again and learning took, from behind the first round with updates on.

    What comes before has little to say: nothing was updated yet, or for the first time, when much is compiled.
    """

    def __init__(self) -> None:
        self._collect_seconds = 0.0
        self._reanalyse_seconds = 0.0
        self._update_seconds = 0.0  # searching again included
        self._num_updating = 0  # the first one included, which is not summed

    def take_in(self, result: RoundResult) -> None:
        """Add a round, if it counts."""
        if self._num_updating:
            self._collect_seconds += result.collectors_seconds
            self._reanalyse_seconds += result.reanalyse_seconds
            self._update_seconds += result.update_seconds
        self._num_updating += int(result.num_updates > 0)

    @property
    def work(self) -> WorkShares | None:
        """Return it; None before there were enough rounds to tell."""
        if self._num_updating <= MEASURED_ROUNDS:
            return None
        seconds = self._collect_seconds + self._update_seconds
        return WorkShares(collect=self._collect_seconds / seconds, reanalyse=self._reanalyse_seconds / seconds)
