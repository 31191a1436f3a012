"""A backend in this process that fails on demand, entries by number, and waiting for another thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from threading import Event

from kvzero.cache.tiers import Entry, Tier
from kvzero.cache.tiers.backend import BackendError

NAMESPACE = sha256(b"namespace").digest()
DEADLINE_SECONDS = 30.0


def key(number: int) -> bytes:
    """Return a key."""
    return sha256(b"key %d" % number).digest()


def entry(number: int, *, num_bytes: int = 40) -> Entry:
    """Return an entry that no other number has."""
    payload = (sha256(b"entry %d" % number).digest() * (num_bytes // 32 + 1))[:num_bytes]
    return Entry(payload, "float16", (2, number), 0.25)


def entries(*numbers: int, num_bytes: int = 40) -> dict[bytes, Entry]:
    """Return entries under their keys."""
    return {key(number): entry(number, num_bytes=num_bytes) for number in numbers}


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came to be so")
        time.sleep(0.002)


def keep_one(tier: Tier) -> bool:
    """Try to have an entry kept; what is given to a sick tier is dropped."""
    tier.set_many(NAMESPACE, entries(1))
    return tier.get_many(NAMESPACE, [key(1)]) == [entry(1)]


class FakeBackend:
    """A dictionary. It answers while `answers` is set, takes frames while `takes` is, and writes while `flows` is."""

    name = "fake"
    place = "tier fake"

    def __init__(self) -> None:
        self.frames: dict[bytes, bytes] = {}
        self.answers, self.takes, self.flows = Event(), Event(), Event()
        for state in (self.answers, self.takes, self.flows):
            state.set()
        self.num_look_ups = 0
        self.num_trials = 0
        self.is_closed = False

    def get_many(self, keys: Sequence[bytes], max_bytes: int) -> list[bytes | None]:
        self.num_look_ups += 1
        self._fail_unless(self.answers)
        return [None if (frame := self.frames.get(key)) is None else frame[: max_bytes + 1] for key in keys]

    def exists_many(self, keys: Sequence[bytes]) -> list[bool]:
        self._fail_unless(self.answers)
        return [key in self.frames for key in keys]

    def put_many(self, frames: Mapping[bytes, bytes]) -> list[bytes]:
        self.flows.wait(DEADLINE_SECONDS)
        self._fail_unless(self.answers)
        self._fail_unless(self.takes)
        free = [key for key in frames if key not in self.frames]
        self.frames |= {key: frames[key] for key in free}
        return free

    def drop_many(self, keys: Sequence[bytes]) -> None:
        for one in keys:
            self.frames.pop(one, None)

    def ping(self) -> None:
        self.num_trials += 1
        self._fail_unless(self.answers)

    def close(self) -> None:
        self.is_closed = True

    def _fail_unless(self, state: Event) -> None:
        if not state.is_set():
            raise BackendError("it was told to fail")
