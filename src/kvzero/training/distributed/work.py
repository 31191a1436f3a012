"""What a line of metrics says of each actor of a kind, and of the learner that waits for them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["WorkFigures"]


@dataclass(slots=True)
class _OfOne:
    """What one actor did."""

    amount: int = 0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0
    rss_bytes: int = 0


class WorkFigures:
    """Adds up who did how much and who waited for whom, until it is read."""

    def __init__(self, name: str, unit: str) -> None:
        """Tell of actors of this name, such as collector, whose work is counted in such units."""
        self._name = name
        self._unit = unit
        self._clear()

    def note_work(self, number: int, amount: int, *, busy_seconds: float, idle_seconds: float, rss_bytes: int) -> None:
        """Take in what the one with a number did, and its memory now."""
        of_one = self._of[number]
        of_one.amount += amount
        of_one.busy_seconds += busy_seconds
        of_one.idle_seconds += idle_seconds
        of_one.rss_bytes = rss_bytes

    def note_wait(self, seconds: float) -> None:
        """The learner has waited."""
        self._learner_waited += seconds

    @property
    def amount(self) -> int:
        """What all did together."""
        return sum(of_one.amount for of_one in self._of.values())

    @property
    def busy_seconds(self) -> float:
        """The time that this took them."""
        return sum((of_one.busy_seconds for of_one in self._of.values()), 0.0)

    def read(self, num_restarts: Sequence[int]) -> dict[str, float]:
        """Return all, and begin anew; `num_restarts` are those of each actor so far."""
        figures = {
            f"{self._name}s/learner_idle_seconds": self._learner_waited,
            f"{self._name}s/restarts": float(sum(num_restarts)),
        }
        for number, of_one in sorted(self._of.items()):
            name = f"{self._name}/{number}"
            figures |= {
                f"{name}/{self._unit}_per_second": of_one.amount / of_one.busy_seconds,
                f"{name}/idle_seconds": of_one.idle_seconds,
                f"{name}/rss_bytes": float(of_one.rss_bytes),
                f"{name}/restarts": float(num_restarts[number]),
            }
        self._clear()
        return figures

    def _clear(self) -> None:
        self._learner_waited = 0.0
        self._of: defaultdict[int, _OfOne] = defaultdict(_OfOne)
