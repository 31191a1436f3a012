"""What keeps frames outside this process: it may fail, be slow, and hand out anything."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from kvzero.errors import KvzeroError

__all__ = ["Backend", "BackendError"]


class BackendError(KvzeroError, OSError):
    """A backend did not do what it was asked; the message says why, and no caller of a tier ever sees it raised."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Backend(Protocol):
    """Bytes under keys. Every method may raise a `BackendError`.

    `get_many` is called by the thread that works, which must not wait long for it, the others by the one that writes.
    """

    name: str
    """What figures call the tier."""

    place: str
    """What sentences call it."""

    def get_many(self, keys: Sequence[bytes], max_bytes: int) -> list[bytes | None]:
        """Return what lies under each key, of more than `max_bytes` the first `max_bytes + 1`; None for nothing."""

    def exists_many(self, keys: Sequence[bytes]) -> list[bool]:
        """Return under which keys something lies."""

    def put_many(self, frames: Mapping[bytes, bytes]) -> list[bytes]:
        """Keep the frames whose keys are free, each whole or not at all; return these keys."""

    def drop_many(self, keys: Sequence[bytes]) -> None:
        """Forget keys."""

    def ping(self) -> None:
        """Return if the backend answers."""

    def close(self) -> None:
        """Give back files and connections."""
