"""A tier over one backend: framed, timed and counted, and asked no more while the backend is sick."""

import time
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from threading import Thread

from kvzero.cache.tiers.backend import Backend, BackendError
from kvzero.cache.tiers.breaker import Breaker
from kvzero.cache.tiers.frame import Framer
from kvzero.cache.tiers.outbox import Outbox, Parcel
from kvzero.cache.tiers.stats import MissReason, TierCounts, TierStats
from kvzero.cache.tiers.tier import Entry, check_digests
from kvzero.errors import KvzeroWarning

__all__ = ["StoredTier"]

TICK_SECONDS = 0.25
"""How often the thread that writes looks whether a trial is due."""
BATCH_ENTRIES = 256
"""Most entries that are written together."""
CLOSE_SECONDS = 1.0
"""How long closing waits for what has not been written."""
NEEDED_RATIO = 0.1
"""Bytes read over bytes written below which a tier is not worth its writes."""
NUM_WRITES = 10_000
"""Writes after which that is told."""


class StoredTier:
    """Serves `Tier` over one backend.

    Whatever may take long is done by a thread of its own: it writes, forgets, and tries whether a backend that failed
    answers again. The thread that works waits for look-ups only, and not while the breaker is open.
    """

    def __init__(self, backend: Backend, framer: Framer, *, queue_bytes: int) -> None:
        """Serve a backend, which is closed with this.

        Args:
            backend: what keeps the frames.
            framer: what makes and opens them.
            queue_bytes: how much may wait to be written.
        """
        self._backend, self._framer = backend, framer
        self._counts = TierCounts()
        self._reads, self._writes = Breaker(), Breaker()
        self._outbox = Outbox(queue_bytes)
        self._batch_bytes = framer.max_bytes
        self._sentences: deque[str] = deque()  # for the thread that works to say
        self._said: set[str] = set()
        self._is_sick = False  # and that was told
        self._thread = Thread(target=self._serve, name=f"kvzero tier {backend.name}", daemon=True)
        self._thread.start()

    def get_many(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | None]:
        """Return what is kept under each key, None where there is nothing to be had."""
        check_digests(namespace, keys)
        self._speak()
        if not keys:
            return []
        if self._reads.is_open:
            self._counts.count_misses(["open"] * len(keys))
            return [None] * len(keys)
        started = time.perf_counter()
        found = self._look_up(namespace, keys)
        self._counts.count_time(time.perf_counter() - started)
        return [self._count(key, result) for key, result in zip(keys, found, strict=True)]

    def set_many(self, namespace: bytes, entries: Mapping[bytes, Entry]) -> None:
        """Have entries kept, soon and by another thread; what does not fit its queue is dropped, and counted."""
        check_digests(namespace, entries)
        self._speak()
        for key, entry in entries.items():
            if len(entry.payload) > self._framer.max_payload_bytes:
                self._counts.refused["oversize"] += 1
            elif not self._outbox.put(Parcel(namespace, key, entry)):
                self._counts.refused["queue"] += 1

    def drop(self, keys: Sequence[bytes]) -> None:
        """Forget keys, soon; where the queue is full, they stay."""
        for key in keys:
            self._outbox.put(Parcel(b"", key, None))

    def stats(self) -> dict[str, TierStats]:
        """Return what was done so far, under the backend's name."""
        stats = self._counts.record()
        self._speak()
        return {self._backend.name: stats}

    def close(self) -> None:
        """Write what is waiting, as far as that takes no more than a second, and close the backend."""
        self._counts.refused["queue"] += self._outbox.close(CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():  # else it waits for a backend that is not to be closed under it
            self._backend.close()
        self._speak()

    def _look_up(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | MissReason]:
        try:
            frames = self._backend.get_many(keys, self._framer.max_bytes)
        except BackendError as error:
            self._fail_to_read(error)
            return ["timeout"] * len(keys)
        self._reads.succeed()
        self._counts.bytes_read += sum(len(frame) for frame in frames if frame is not None)
        return [
            "absent" if frame is None else self._framer.unseal(namespace, key, frame)
            for key, frame in zip(keys, frames, strict=True)
        ]

    def _count(self, key: bytes, found: Entry | MissReason) -> Entry | None:
        """Count a look-up, and let what is damaged make room for what is not."""
        if isinstance(found, Entry):
            self._counts.hits += 1
            self._counts.seconds_found += found.seconds
            return found
        self._counts.count_misses([found])
        if found in ("corrupt", "oversize"):
            self.drop([key])
        return None

    def _serve(self) -> None:
        """Be the thread that writes, until the outbox is closed and empty."""
        self._try_out()
        while not self._outbox.is_done:
            parcels = self._outbox.take(max_parcels=BATCH_ENTRIES, max_bytes=self._batch_bytes, seconds=TICK_SECONDS)
            if self._reads.is_due:
                self._try_out()
            if parcels:
                self._deliver(parcels)
            self._outbox.finish(parcels)

    def _try_out(self) -> bool:
        """See whether the backend answers, at the beginning and after something failed."""
        was_open = self._reads.is_open
        try:
            self._backend.ping()
        except BackendError as error:
            self._reads.trip()
            self._say_sick(error)
            return False
        if was_open:
            self._reads.pass_trial()
        self._is_sick = False
        return True

    def _deliver(self, parcels: Sequence[Parcel]) -> None:
        entries = {parcel.key: parcel for parcel in parcels if parcel.entry is not None}
        if self._reads.is_open or (self._writes.is_open and not self._writes.is_due):
            self._counts.lost["sick"] += len(entries)
            return
        try:
            self._backend.drop_many([parcel.key for parcel in parcels if parcel.entry is None])
            self._put(entries)
        except BackendError as error:
            self._writes.fail()
            if self._try_out():  # else that is what is to be told
                self._say(f"{self._backend.place} keeps nothing for now: {error}; the run goes on without")
            self._counts.lost["sick"] += len(entries)
            return
        self._writes.succeed()

    def _put(self, parcels: Mapping[bytes, Parcel]) -> None:
        keys = list(parcels)
        is_known = self._backend.exists_many(keys)
        frames = {
            key: self._framer.seal(parcels[key].namespace, key, entry)
            for key, known in zip(keys, is_known, strict=True)
            if not known and (entry := parcels[key].entry) is not None
        }
        added = self._backend.put_many(frames)
        self._counts.written += len(added)
        self._counts.known += len(keys) - len(added)
        self._counts.bytes_written += sum(len(frames[key]) for key in added)

    def _fail_to_read(self, error: BackendError) -> None:
        self._reads.fail()
        if self._reads.is_open:
            self._say_sick(error)

    def _say_sick(self, error: BackendError) -> None:
        """Tell of an outage, once, with the first reason of those that there may be."""
        if self._is_sick:
            return
        self._is_sick = True
        self._say(f"{self._backend.place} does not answer: {error}; the run goes on without until it does")

    def _say(self, sentence: str) -> None:
        """Leave a sentence to be said once, by the thread that works."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._sentences.append(sentence)

    def _speak(self) -> None:
        counts = self._counts
        if counts.written >= NUM_WRITES and counts.bytes_read < NEEDED_RATIO * counts.bytes_written:
            self._say(
                f"{self._backend.place} was given more than {NUM_WRITES:,} entries, of which less than "
                f"{NEEDED_RATIO:.0%} of the bytes were read; it costs more than it saves: leave it out"
            )
        while self._sentences:
            warnings.warn(self._sentences.popleft(), KvzeroWarning, stacklevel=3)
