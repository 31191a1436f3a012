"""Which key lives in which slot of a pool, and who makes room for whom; plain Python, without a tensor."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from kvzero.cache.pools.eviction import EvictionStrategy, Priorities, Standing, make_order
from kvzero.checks import check_field, read_fields
from kvzero.errors import CacheError, ConfigError, PoolFullError

__all__ = ["Placement", "SavedTable", "SlotTable"]


class Placement(NamedTuple):
    """Where an entry goes."""

    slot: int
    evicted: int | None
    """Key of the entry that had to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTable:
    """All that a table knows, as JSON can hold it."""

    capacity: int
    """Slots in all."""

    slots: tuple[tuple[int, int], ...]
    """Key and slot of every entry, in the order in which they were added."""

    free: tuple[int, ...]
    """The other slots; the last is used next."""

    pinned: tuple[int, ...]
    """Keys that must not be evicted."""

    standings: tuple[tuple[int, float, bool], ...]
    """What decides who is evicted, as the order that does gives it."""

    def __post_init__(self) -> None:
        read_fields(self)
        used, keys = [slot for _, slot in self.slots], [key for key, _ in self.slots]
        is_whole = sorted([*used, *self.free]) == list(range(self.capacity))
        check_field(self, "slots", lambda _: is_whole, f"with the free ones, give each of {self.capacity} slots once")
        is_known = set(self.pinned) <= set(keys) == {key for key, _, _ in self.standings}
        is_known &= len(set(keys)) == len(keys) == len(self.standings)
        check_field(self, "standings", lambda _: is_known, "give every entry once")


class SlotTable:
    """The keys of a pool and their slots, of which there are `capacity`."""

    def __init__(self, capacity: int, strategy: EvictionStrategy) -> None:
        """Make an empty table.

        Raises:
            ConfigError: if the capacity is not positive.
        """
        self._strategy = strategy
        self._order = make_order(strategy)
        self._slots: dict[int, int] = {}
        self._pinned: set[int] = set()
        self._open(capacity)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: object) -> bool:
        return key in self._slots

    def __iter__(self) -> Iterator[int]:
        return iter(self._slots)

    @property
    def capacity(self) -> int:
        """Slots in all."""
        return self._capacity

    def find(self, key: int) -> int | None:
        """Return the slot of an entry and count that as a use of it; None if it is not there."""
        slot = self._slots.get(key)
        if slot is not None:
            self._order.read(key)
        return slot

    def place(self, key: int) -> Placement:
        """Return the slot to write an entry into: its own if it is there, else a free one, else that of who goes.

        Raises:
            PoolFullError: if somebody has to go and everybody is pinned. Nothing has changed then.
        """
        slot = self._slots.get(key)
        evicted = None
        if slot is None:
            if not self._free:
                evicted = self._evict()
            slot = self._slots[key] = self._free.pop()
        self._order.write(key)
        return Placement(slot, evicted)

    def pin(self, key: int) -> None:
        """Keep an entry from eviction until it is unpinned or the table cleared.

        Raises:
            CacheError: if there is no such entry.
        """
        self._require(key)
        if key not in self._pinned:
            self._pinned.add(key)
            self._order.hold(key)

    def unpin(self, key: int) -> None:
        """Let an entry be evicted again; one that is not pinned stays as it is."""
        if key in self._pinned:
            self._pinned.remove(key)
            self._order.release(key)

    def set_priority(self, key: int, priority: float) -> None:
        """Give an entry a priority of its own in place of its number of reads.

        Raises:
            CacheError: if there is no such entry.
            ConfigError: if the strategy does not look at priorities, or the priority is no number.
        """
        self._require(key)
        if isnan(priority):
            raise ConfigError(f"the priority of entry {key} is {priority}, which is neither above nor below another")
        if not isinstance(self._order, Priorities):
            raise ConfigError(
                f"a priority has no effect where {self._strategy.value} decides who is evicted; "
                "choose the eviction strategy priority"
            )
        self._order.fix(key, priority)

    def clear(self) -> None:
        """Forget everything, pins included."""
        self._slots.clear()
        self._pinned.clear()
        self._order.clear()
        self._open(self._capacity)

    def resize(self, capacity: int) -> tuple[list[int], int]:
        """Change the number of slots, evicting whoever does not fit; entries get new slots, from 0 on.

        Returns:
            The old slots of the entries that stay, in the order of their new ones, and how many were evicted.

        Raises:
            ConfigError: if the capacity is not positive.
            PoolFullError: if more entries are pinned than would fit. Nothing has changed in both cases.
        """
        _check_capacity(capacity)
        if len(self._pinned) > capacity:
            raise PoolFullError(
                f"{len(self._pinned)} entries are pinned and cannot shrink into {capacity} slots; unpin some first"
            )
        num_evicted = max(0, len(self._slots) - capacity)
        for _ in range(num_evicted):
            self._evict()
        old_slots = list(self._slots.values())
        self._slots = {key: slot for slot, key in enumerate(self._slots)}
        self._open(capacity)
        return old_slots, num_evicted

    def save(self) -> SavedTable:
        """Return all that the table knows."""
        return SavedTable(
            capacity=self._capacity,
            slots=tuple(self._slots.items()),
            free=tuple(self._free),
            pinned=tuple(sorted(self._pinned)),
            standings=tuple(self._order.standings()),
        )

    @classmethod
    def load(cls, saved: SavedTable, strategy: EvictionStrategy) -> "SlotTable":
        """Return a table that goes on as the one that was saved would have."""
        table = cls(saved.capacity, strategy)
        table._slots, table._free = dict(saved.slots), list(saved.free)
        for standing in saved.standings:
            table._order.restore(Standing(*standing))
        for key in saved.pinned:
            table.pin(key)
        return table

    def _open(self, capacity: int) -> None:
        """Make every slot free that no entry lives in; entries live in the first ones."""
        _check_capacity(capacity)
        self._capacity = capacity
        self._free = list(range(capacity - 1, len(self._slots) - 1, -1))

    def _evict(self) -> int:
        key = self._order.choose()
        if key is None:
            raise PoolFullError(
                f"all {self._capacity} slots are pinned; unpin finished searches, "
                "or give the pool more slots than are pinned at once"
            )
        self._order.discard(key)
        self._free.append(self._slots.pop(key))
        return key

    def _require(self, key: int) -> None:
        if key not in self._slots:
            raise CacheError(f"there is no entry {key} here; add it first")


def _check_capacity(capacity: int) -> None:
    if capacity < 1:
        raise ConfigError(f"pool_size is {capacity}; give a pool at least 1 slot")
