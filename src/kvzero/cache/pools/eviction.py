"""Who leaves a full pool first: three orders in plain Python that know keys only."""

from collections import OrderedDict
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, Protocol, runtime_checkable

from kvzero.errors import ConfigError

__all__ = ["EvictionOrder", "EvictionStrategy", "Standing", "make_order", "read_strategy"]


class EvictionStrategy(StrEnum):
    """Which entry a full pool throws out to make room for another."""

    FIFO = "fifo"
    """The one that was added first; writing it again does not change that."""

    LRU = "lru"
    """The one that was read or written longest ago."""

    PRIORITY = "priority"
    """The one of lowest priority, the first added among equals. A priority is the number of reads unless it was set."""


class Standing(NamedTuple):
    """What an order knows of one entry, beside its place among the others."""

    key: int
    priority: float
    """Of no meaning to a queue."""
    is_fixed: bool
    """Whether the priority was set."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class EvictionOrder(Protocol):
    """The keys of a pool and which of them goes next; every method but `clear` takes O(1) or amortised O(log n)."""

    def write(self, key: int) -> None:
        """Take in that the entry was added or written again."""

    def read(self, key: int) -> None:
        """Take in that the entry was read."""

    def discard(self, key: int) -> None:
        """Forget the entry."""

    def hold(self, key: int) -> None:
        """Do not choose the entry until it is released."""

    def release(self, key: int) -> None:
        """Let the entry be chosen again; a queue takes it as added or used now."""

    def choose(self) -> int | None:
        """Return who goes next; None where every entry is held."""

    def clear(self) -> None:
        """Forget all entries."""

    def standings(self) -> list[Standing]:
        """Return what is known of every entry, those first that came first among equals."""

    def restore(self, standing: Standing) -> None:
        """Take in an entry, as the last among equals; it is not held."""


class Queue:
    """First in, first out; with `moves_when_used`, the least recently used goes first."""

    def __init__(self, *, moves_when_used: bool) -> None:
        self._moves_when_used = moves_when_used
        self._queue: OrderedDict[int, None] = OrderedDict()
        self._held: set[int] = set()

    def write(self, key: int) -> None:
        """Append a new entry; move one that is known where use counts."""
        if key in self._queue or key in self._held:
            self.read(key)
        else:
            self._queue[key] = None

    def read(self, key: int) -> None:
        """Move the entry to the end where use counts."""
        if self._moves_when_used and key in self._queue:
            self._queue.move_to_end(key)

    def discard(self, key: int) -> None:
        """Forget the entry."""
        self._queue.pop(key, None)
        self._held.discard(key)

    def hold(self, key: int) -> None:
        """Take the entry out of the queue."""
        del self._queue[key]
        self._held.add(key)

    def release(self, key: int) -> None:
        """Append the entry to the queue."""
        self._held.remove(key)
        self._queue[key] = None

    def choose(self) -> int | None:
        """Return the head of the queue."""
        return next(iter(self._queue), None)

    def clear(self) -> None:
        """Forget all entries."""
        self._queue.clear()
        self._held.clear()

    def standings(self) -> list[Standing]:
        """Return the queue from its head, then those out of it."""
        return [Standing(key, 0.0, is_fixed=False) for key in (*self._queue, *sorted(self._held))]

    def restore(self, standing: Standing) -> None:
        """Append the entry to the queue."""
        self._queue[standing.key] = None


class Priorities:
    """Lowest priority first, in a heap whose outdated places are skipped when they come up."""

    def __init__(self) -> None:
        self._ranks: dict[int, tuple[float, int]] = {}  # priority, then order of arrival
        self._fixed: set[int] = set()
        self._held: set[int] = set()
        self._heap: list[tuple[float, int, int]] = []
        self._num_arrivals = 0

    def write(self, key: int) -> None:
        """Add a new entry with priority 0; writing is not reading."""
        if key not in self._ranks:
            self._rank(key, 0.0, self._arrive())

    def read(self, key: int) -> None:
        """Count a read, unless the priority was set."""
        if key not in self._fixed:
            priority, arrival = self._ranks[key]
            self._rank(key, priority + 1, arrival)

    def fix(self, key: int, priority: float) -> None:
        """Set the priority of an entry for as long as it is held."""
        self._fixed.add(key)
        self._rank(key, priority, self._ranks[key][1])

    def discard(self, key: int) -> None:
        """Forget the entry."""
        self._ranks.pop(key, None)
        self._fixed.discard(key)
        self._held.discard(key)

    def hold(self, key: int) -> None:
        """Skip the entry from now on."""
        self._held.add(key)

    def release(self, key: int) -> None:
        """Put the entry back at its priority."""
        self._held.remove(key)
        self._rank(key, *self._ranks[key])

    def choose(self) -> int | None:
        """Return the entry of lowest priority."""
        while self._heap:
            priority, arrival, key = self._heap[0]
            if key not in self._held and self._ranks.get(key) == (priority, arrival):
                return key
            heappop(self._heap)
        return None

    def clear(self) -> None:
        """Forget all entries."""
        for kept in (self._ranks, self._fixed, self._held, self._heap):
            kept.clear()

    def standings(self) -> list[Standing]:
        """Return every entry in the order of arrival."""
        ranks = sorted(self._ranks.items(), key=lambda entry: entry[1][1])
        return [Standing(key, priority, key in self._fixed) for key, (priority, _) in ranks]

    def restore(self, standing: Standing) -> None:
        """Take in an entry with its priority."""
        self._rank(standing.key, standing.priority, self._arrive())
        if standing.is_fixed:
            self._fixed.add(standing.key)

    def _arrive(self) -> int:
        self._num_arrivals += 1
        return self._num_arrivals

    def _rank(self, key: int, priority: float, arrival: int) -> None:
        self._ranks[key] = (priority, arrival)
        if len(self._heap) > 2 * len(self._ranks):  # mostly outdated: as many reads as entries have paid for this
            self._heap = [(*rank, known) for known, rank in self._ranks.items() if known not in self._held]
            heapify(self._heap)
        elif key not in self._held:
            heappush(self._heap, (priority, arrival, key))


def read_strategy(strategy: Any) -> EvictionStrategy:
    """Return the strategy that a member or its value (`"fifo"`) names.

    Raises:
        ConfigError: if there is none of that name.
    """
    try:
        return EvictionStrategy(strategy)
    except ValueError as error:
        names = ", ".join(known.value for known in EvictionStrategy)
        raise ConfigError(f"eviction strategy is {strategy!r}; choose one of {names}") from error


def make_order(strategy: EvictionStrategy) -> EvictionOrder:
    """Return an empty order."""
    if strategy is EvictionStrategy.PRIORITY:
        return Priorities()
    return Queue(moves_when_used=strategy is EvictionStrategy.LRU)
