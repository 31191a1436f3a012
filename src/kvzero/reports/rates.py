"""How fast a run goes: rates over the last minute."""

from collections import deque

__all__ = ["Rates"]

SPAN_SECONDS = 60.0


class Rates:
    """Remembers counts over the last minute and tells how fast each of them grows.

    A minute follows what changes during a run: early steps are taken without updates, evaluations hold all up.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[float, tuple[int, ...]]] = deque()

    def mark(self, seconds: float, *counts: int) -> None:
        """Take in the counts at this time, in seconds of any clock."""
        self._marks.append((seconds, counts))
        while len(self._marks) > 2 and self._marks[1][0] <= seconds - SPAN_SECONDS:
            self._marks.popleft()

    def per_second(self) -> tuple[float, ...] | None:
        """Return the growth of each count per second, or None before time has passed."""
        if not self._marks or self._marks[-1][0] <= self._marks[0][0]:
            return None
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return tuple((late - early) / (end - start) for early, late in zip(before, after, strict=True))
