"""What a tier is asked: bytes kept under keys beyond one process, never in the way of the run that asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from kvzero.cache.tiers.stats import TierStats

__all__ = ["DIGEST_BYTES", "MISS_REASONS", "Entry", "MissReason", "Tier"]

DIGEST_BYTES = 32
"""Bytes of a namespace and of a key."""

MissReason = Literal["absent", "timeout", "open", "corrupt", "foreign", "oversize"]
"""Why a look-up gave nothing: there is no such key; the tier did not answer, or not in time; it failed so often that it
is not asked for now; what it gave is damaged; is another's, or of another format; is longer than any entry may be."""

MISS_REASONS: tuple[MissReason, ...] = get_args(MissReason)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept under one key, and how it is to be read."""

    payload: bytes
    """The value, as its codec wrote it."""

    codec: str
    """Name of the codec, at most 16 ASCII characters."""

    shape: tuple[int, ...]
    """Shape of what was coded, at most 6 sizes."""

    seconds: float = 0.0
    """What it took to compute the value: what a hit saves."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Tier(Protocol):
    """Bytes under keys of 32 bytes, kept where other processes find them.

    A namespace is a digest, of 32 bytes too, of all that a value depends on beside what its key is made of; the key is
    one over the namespace in turn. An entry never changes: the first one under a key stays. Nothing here raises where
    the backend is sick or what it holds is damaged: that is a miss, counted by its reason in `stats`. Every entry that
    is returned was found whole, written under this namespace and this key. One tier serves one thread.
    """

    def get_many(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | None]:
        """Return what is kept under each key, None where there is nothing to be had."""

    def set_many(self, namespace: bytes, entries: Mapping[bytes, Entry]) -> None:
        """Have entries kept, soon and by another thread; what does not fit its queue is dropped, and counted."""

    def exists_many(self, keys: Sequence[bytes]) -> list[bool]:
        """Return under which keys something is kept, whole or not; False where it cannot be told."""

    def drop(self, keys: Sequence[bytes]) -> None:
        """Forget keys, soon: what lies there cannot be used, and would otherwise stay the first for ever."""

    def stats(self) -> dict[str, TierStats]:
        """Return what was done so far, under the name of each tier that this one consists of."""

    def close(self) -> None:
        """Write what is waiting, as far as that takes no more than a second, and give back files and connections."""
