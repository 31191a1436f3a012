"""Contexts in a ring of slots, kept by hand: found through a dict, with a map back from slot to key, and a pointer."""

from dataclasses import dataclass

from kvzero.cache.pools import CacheStats, Counters, KeysValues
from kvzero.errors import CacheError, ConfigError

__all__ = ["LegacyRing", "RingParts"]


@dataclass(frozen=True, slots=True, eq=False)
class RingParts:
    """What some rings are made of, side by side: who writes into these lists and dicts changes the rings."""

    slots: list[dict[int, int]]
    """Slot of each context under its key."""

    pools: list[list[KeysValues | None]]
    """Contexts by slot."""

    keys: list[list[int | None]]
    """Key that each slot was last written under."""

    pointers: list[int]
    """Slot that is written to next."""

    @staticmethod
    def empty(num_rings: int, pool_size: int) -> "RingParts":
        """Return what so many empty rings are made of.

        Raises:
            ConfigError: if the size is not positive.
        """
        if pool_size < 1:
            raise ConfigError(f"pool_size is {pool_size}; give a ring at least 1 slot")
        rings = range(num_rings)
        return RingParts(
            slots=[{} for _ in rings],
            pools=[[None] * pool_size for _ in rings],
            keys=[[None] * pool_size for _ in rings],
            pointers=[0] * num_rings,
        )


class LegacyRing:
    """Contexts under keys in a ring of slots: each write takes the next slot, whatever is in it.

    A context is there where both maps agree on it. So a slot that was written to by hand, without its map back, is
    missed rather than taken for what it held before.
    """

    def __init__(self, parts: RingParts, number: int = 0, *, enable_stats: bool = True) -> None:
        """Make ring `number` of those that have these parts."""
        self._parts, self._number = parts, number
        self._counters = Counters() if enable_stats else None

    def __contains__(self, key: int) -> bool:
        return self._find(key) is not None

    @property
    def slots(self) -> dict[int, int]:
        """Slot of each context under its key."""
        return self._parts.slots[self._number]

    @property
    def shared_pool(self) -> list[KeysValues | None]:
        """Contexts by slot."""
        return self._parts.pools[self._number]

    @property
    def keys(self) -> list[int | None]:
        """Key that each slot was last written under."""
        return self._parts.keys[self._number]

    @property
    def pointer(self) -> int:
        """Slot that is written to next."""
        return self._parts.pointers[self._number]

    @pointer.setter
    def pointer(self, slot: int) -> None:
        self._parts.pointers[self._number] = slot

    def get(self, key: int, *, is_counted: bool = True) -> KeysValues | None:
        """Return the context under a key, which the reader must not write into; None if it is not there."""
        context = self._find(key)
        if is_counted and self._counters is not None:
            self._counters.count_query(is_hit=context is not None)
        return context

    def set(self, key: int, kv_cache: KeysValues) -> int:
        """Put a copy of a context into the next slot, under a key; return the slot."""
        if self.slots.get(key) == self.pointer:
            del self.slots[key]  # to be written again is not to be evicted
        slot = self.copy(kv_cache)
        self.slots[key] = slot
        self.keys[slot] = key
        self.pointer = (slot + 1) % len(self.shared_pool)
        return slot

    def copy(self, kv_cache: KeysValues) -> int:
        """Put a copy of a context into the slot that the pointer shows, without a key; return the slot.

        The pointer stays. Who was there before is not to be found any more.

        Raises:
            CacheError: if the pointer was set to no slot.
        """
        slot = self.pointer
        if not 0 <= slot < len(self.shared_pool):
            raise CacheError(
                f"the pointer shows slot {slot} of {len(self.shared_pool)}; move it on modulo the size of the pool"
            )
        old_key = self.keys[slot]
        if old_key is not None and self.slots.get(old_key) == slot:
            del self.slots[old_key]
            if self._counters is not None:
                self._counters.evictions += 1
        self.keys[slot] = None
        self.shared_pool[slot] = kv_cache.clone()
        return slot

    def clear(self) -> None:
        """Forget everything; statistics go on."""
        self.slots.clear()
        self.keys[:] = [None] * len(self.keys)
        self.shared_pool[:] = [None] * len(self.shared_pool)
        self.pointer = 0

    def count_miss(self) -> None:
        """Count a look-up that was not answered, by who noticed without asking `get`."""
        if self._counters is not None:
            self._counters.count_query(is_hit=False)

    def count_regeneration(self, seconds: float) -> None:
        """Count time that it took to compute anew what had been missed."""
        if self._counters is not None:
            self._counters.regenerate_seconds += seconds

    @property
    def nbytes(self) -> int:
        """Bytes of the contexts held now."""
        held = [entry for entry in self.shared_pool if entry is not None]
        return sum(entry.keys_values.nbytes + (0 if entry.tokens is None else entry.tokens.nbytes) for entry in held)

    @property
    def stats(self) -> CacheStats | None:
        """What the ring has done so far; None where statistics are off."""
        if self._counters is None:
            return None
        return self._counters.record(size=len(self.slots), pool_size=len(self.shared_pool), nbytes=self.nbytes)

    def _find(self, key: int) -> KeysValues | None:
        slot = self.slots.get(key)
        return self.shared_pool[slot] if slot is not None and self.keys[slot] == key else None
