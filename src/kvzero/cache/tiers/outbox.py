"""What waits to be written: a queue with a bound between the thread that works and the one that writes."""

from collections import deque
from threading import Condition
from typing import NamedTuple

from kvzero.cache.tiers.tier import Entry

__all__ = ["Outbox", "Parcel"]


class Parcel(NamedTuple):
    """One thing to be done."""

    namespace: bytes
    key: bytes
    entry: Entry | None
    """What is to be kept under the key; None to forget what is there."""

    @property
    def num_bytes(self) -> int:
        """Bytes that it holds while it waits, beside what Python takes for itself."""
        return len(self.namespace) + len(self.key) + (0 if self.entry is None else len(self.entry.payload))


class Outbox:
    """Parcels in order; what is being written counts as waiting until it is done."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = Condition()
        self._parcels: deque[Parcel] = deque()
        self._num_bytes = 0
        self._is_closed = False

    def put(self, parcel: Parcel) -> bool:
        """Take a parcel if there is room, and return whether there was."""
        with self._changed:
            if self._is_closed or self._num_bytes + parcel.num_bytes > self._max_bytes:
                return False
            self._parcels.append(parcel)
            self._num_bytes += parcel.num_bytes
            self._changed.notify_all()
            return True

    def take(self, *, max_parcels: int, max_bytes: int, seconds: float) -> list[Parcel]:
        """Return the next parcels, one at least as long as there are any; none if none came in so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._parcels or self._is_closed, seconds)
            taken: list[Parcel] = []
            num_bytes = 0
            while self._parcels and len(taken) < max_parcels:
                num_bytes += self._parcels[0].num_bytes
                if taken and num_bytes > max_bytes:
                    break
                taken.append(self._parcels.popleft())
            return taken

    def finish(self, parcels: list[Parcel]) -> None:
        """Make room of parcels that were taken."""
        with self._changed:
            self._num_bytes -= sum(parcel.num_bytes for parcel in parcels)
            self._changed.notify_all()

    def close(self, seconds: float) -> int:
        """Take no more; wait that long at most until all is done, throw away the rest, and return how much that was."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._num_bytes == 0, seconds)
            rest = len(self._parcels)
            self._parcels.clear()
            return rest

    @property
    def is_done(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._is_closed and not self._parcels
