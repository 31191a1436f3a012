"""The obvious pool: a list of entries in order of arrival, searched from the front for everything."""

from dataclasses import dataclass, field

import torch

from kvzero.cache import ContextLayout, KeysValues

LAYOUT = ContextLayout(num_layers=2, num_heads=3, head_dim=5, context_tokens=4)
SLIDING = ContextLayout(num_layers=1, num_heads=2, head_dim=3, context_tokens=8, is_sliding=True)


def context(number: float, layout: ContextLayout = LAYOUT, *, size: int | None = None) -> KeysValues:
    """Return a context that is told from others by its number."""
    tokens = torch.full((layout.context_tokens, layout.embed_dim), -float(number)) if layout.is_sliding else None
    size = layout.context_tokens - 1 if size is None else size
    return KeysValues(torch.full(layout.context_shape, float(number)), size, tokens)


def number_of(entry: KeysValues | None) -> float | None:
    """Return the number that a context was made with."""
    if entry is None:
        return None
    assert entry.keys_values.unique().numel() == 1
    return float(entry.keys_values.flatten()[0])


@dataclass
class Entry:
    key: int
    number: int
    added: int
    used: int
    reads: int = 0
    priority: float | None = None
    is_pinned: bool = False


@dataclass
class PoolTwin:
    """What a pool should do."""

    pool_size: int
    strategy: str
    entries: list[Entry] = field(default_factory=list)
    now: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0

    def find(self, key: int) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)

    def get(self, key: int) -> float | None:
        self.now += 1
        entry = self.find(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        entry.reads += 1
        entry.used = self.now
        return entry.number

    def set(self, key: int, number: int) -> bool:
        """Return whether there was room."""
        self.now += 1
        entry = self.find(key)
        if entry is not None:
            entry.number, entry.used = number, self.now
            return True
        if len(self.entries) == self.pool_size and not self.evict():
            return False
        self.entries.append(Entry(key, number, added=self.now, used=self.now))
        return True

    def evict(self) -> bool:
        free = [entry for entry in self.entries if not entry.is_pinned]
        if not free:
            return False
        self.entries.remove(min(free, key=self.rank))
        self.evictions += 1
        return True

    def rank(self, entry: Entry) -> tuple[float, ...]:
        if self.strategy == "fifo":
            return (entry.added,)
        if self.strategy == "lru":
            return (entry.used,)
        return (entry.reads if entry.priority is None else entry.priority, entry.added)

    def unpin(self, key: int) -> None:
        self.now += 1
        entry = self.find(key)
        if entry is not None and entry.is_pinned:
            entry.is_pinned = False
            if self.strategy != "priority":  # a queue takes it as added or used now
                entry.added = entry.used = self.now

    def resize(self, pool_size: int) -> bool:
        """Return whether what is pinned fits."""
        if sum(entry.is_pinned for entry in self.entries) > pool_size:
            return False
        self.pool_size = pool_size
        while len(self.entries) > pool_size:
            assert self.evict()
        return True
