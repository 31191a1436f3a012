"""What a tier is asked: bytes kept under keys beyond one process, never in the way of the run that asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, runtime_checkable

from kvzero.cache.tiers.stats import TierStats
from kvzero.errors import CacheError

__all__ = ["DIGEST_BYTES", "MAX_CODEC_BYTES", "MAX_SIZES", "Entry", "Tier", "check_digests"]

DIGEST_BYTES = 32
"""Bytes of a namespace and of a key."""

MAX_CODEC_BYTES = 16
"""Bytes of the longest name of a codec."""

MAX_SIZES = 6
"""Most sizes of a shape."""


def check_digests(namespace: bytes, keys: Iterable[bytes]) -> None:
    """Refuse what is no namespace or no key.

    Raises:
        CacheError: if one is not 32 bytes long.
    """
    for name, digest in (("namespace", namespace), *(("key", key) for key in keys)):
        if len(digest) != DIGEST_BYTES:
            raise CacheError(f"a {name} has {len(digest)} bytes; give a digest of {DIGEST_BYTES}")


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

    def __post_init__(self) -> None:
        if not self.codec.isascii() or len(self.codec) > MAX_CODEC_BYTES or "\0" in self.codec:
            raise CacheError(f"codec is {self.codec!r}; give a name of at most {MAX_CODEC_BYTES} ASCII characters")
        if len(self.shape) > MAX_SIZES or not all(0 <= size < 2**64 for size in self.shape):
            raise CacheError(f"shape is {self.shape}; give at most {MAX_SIZES} sizes, of 8 bytes each")
        if not isfinite(self.seconds):
            raise CacheError(f"seconds is {self.seconds}; give what it took to compute the value, or nothing")


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

    def drop(self, keys: Sequence[bytes]) -> None:
        """Forget keys, soon: what lies there cannot be used, and would otherwise stay the first for ever."""

    def stats(self) -> dict[str, TierStats]:
        """Return what was done so far, under the name of each tier that this one consists of."""

    def close(self) -> None:
        """Write what is waiting, as far as that takes no more than a second, and give back files and connections."""
