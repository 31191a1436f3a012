"""What searches found, kept under keys that mean the same in every process: in memory, and behind it in a tier."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from kvzero.cache.namespace import Namespace
from kvzero.cache.tiers import Entry, Tier
from kvzero.checks import read_int
from kvzero.errors import CacheError, ConfigError

__all__ = ["DEFAULT_RESULT_BYTES", "ResultCache"]

DEFAULT_RESULT_BYTES = 64 << 20
ENTRY_BYTES = 300
"""What an entry takes beside its numbers: its key, its place in the order, Python's own."""
CODEC = "raw"


class ResultCache:
    """Results of searches, fixed-size records each; the least recently used leave memory, never the tier.

    A result is found by exactly what made it: the same weights, search, history and legal actions, see `Namespace`.
    What comes out is a copy, and what was put in first stays.
    """

    def __init__(
        self, *, max_bytes: int = DEFAULT_RESULT_BYTES, max_age_updates: int = 0, tier: Tier | None = None
    ) -> None:
        """Keep results in at most `max_bytes` of memory; behind it in `tier`, which the caller closes.

        Args:
            max_bytes: bytes of the records, and 300 more for each.
            max_age_updates: updates that the weights may have had since a result was found. At 0, the default, results
                are exact. Only reanalysis takes older ones.
            tier: where results are looked for that are not in memory, and where all are written.

        Raises:
            ConfigError: if a number is no integer or out of range, or `tier` is none.
        """
        self.max_bytes = read_int("max_bytes", max_bytes)
        self.max_age_updates = read_int("max_age_updates", max_age_updates)
        for name, number, least in (("max_bytes", self.max_bytes, 1), ("max_age_updates", self.max_age_updates, 0)):
            if number < least:
                raise ConfigError(f"{name} is {number}; give at least {least}")
        if tier is not None and not isinstance(tier, Tier):
            raise ConfigError(f"tier is {tier!r}; give what open_tier returns")
        self._tier = tier
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._nbytes = 0
        self._counts = dict.fromkeys(("hits", "tier_hits", "misses", "misfits", "evictions"), 0)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that count towards `max_bytes`."""
        return self._nbytes

    def read_into(
        self, records: Shaped[np.ndarray, " record"], histories: Sequence[bytes], *namespaces: Namespace
    ) -> Int64[np.ndarray, " record"]:
        """Fill in the records that are kept for some histories, given as digests, see `digest_history`.

        They are looked for in one namespace after another. `records` are of a structured type without objects: what is
        not as long as one of them is no hit.

        Returns:
            For each record the index of the namespace that it was found in; -1 where it was not found.

        Raises:
            CacheError: if there is not one history for each record.
        """
        _refuse_uneven(records, histories)
        found_in = np.full(len(records), -1, np.int64)
        for index, namespace in enumerate(namespaces):
            missing = np.flatnonzero(found_in < 0).tolist()
            raws = self._read(namespace, [namespace.key(histories[place]) for place in missing], records.itemsize)
            for place, raw in zip(missing, raws, strict=True):
                if raw is not None:
                    records[place], found_in[place] = np.frombuffer(raw, records.dtype)[0], index
        num_hits = int((found_in >= 0).sum())
        self._counts["hits"] += num_hits
        self._counts["misses"] += len(records) - num_hits
        return found_in

    def write(
        self,
        records: Shaped[np.ndarray, " record"],
        histories: Sequence[bytes],
        namespace: Namespace,
        *,
        seconds: float = 0.0,
    ) -> None:
        """Keep records for some histories; `seconds` is what it took to find all of them.

        Raises:
            CacheError: if there is not one history for each record.
        """
        _refuse_uneven(records, histories)
        keys = [namespace.key(history) for history in histories]
        raws = dict(zip(keys, (record.tobytes() for record in records), strict=True))
        for key, raw in raws.items():
            self._remember(key, raw)
        if self._tier is not None:
            each = seconds / max(len(raws), 1)
            shape = (records.itemsize,)
            self._tier.set_many(namespace.digest, {key: Entry(raw, CODEC, shape, each) for key, raw in raws.items()})

    def figures(self) -> dict[str, float]:
        """Return what was counted since the cache was made: hits, those of them that the tier gave, and the rest."""
        counts = self._counts | {"entries": len(self), "bytes": self.nbytes}
        num_queries = counts["hits"] + counts["misses"]
        figures = {name: float(count) for name, count in counts.items()}
        return figures | {"hit_rate": counts["hits"] / num_queries if num_queries else 0.0}

    def get_stats_summary(self) -> dict[str, Any]:
        """Return what was counted as lines of text: of memory, and of each tier under its name."""
        figures = self.figures()
        line = ", ".join(
            f"{name}={figures[name]:.0f}" for name in ("hits", "misses", "tier_hits", "evictions", "entries")
        )
        return {
            "results": f"{line}, hit_rate={figures['hit_rate']:.1%}",
            "tiers": {} if self._tier is None else {name: str(stats) for name, stats in self._tier.stats().items()},
        }

    def _read(self, namespace: Namespace, keys: list[bytes], num_bytes: int) -> list[bytes | None]:
        """Return what memory has under some keys, or else the tier."""
        raws = [self._recall(key) for key in keys]
        missed = [place for place, raw in enumerate(raws) if raw is None]
        for place, raw in zip(
            missed, self._ask_tier(namespace, [keys[place] for place in missed], num_bytes), strict=True
        ):
            raws[place] = raw
        return [raw if raw is not None and len(raw) == num_bytes else None for raw in raws]

    def _ask_tier(self, namespace: Namespace, keys: list[bytes], num_bytes: int) -> list[bytes | None]:
        """Return what the tier has under some keys; what has another form is forgotten there."""
        if self._tier is None or not keys:
            return [None] * len(keys)
        found = self._tier.get_many(namespace.digest, keys)
        raws = [None if entry is None else _read(entry, num_bytes) for entry in found]
        misfits = [key for key, entry, raw in zip(keys, found, raws, strict=True) if entry is not None and raw is None]
        if misfits:
            self._tier.drop(misfits)
            self._counts["misfits"] += len(misfits)
        for key, raw in zip(keys, raws, strict=True):
            if raw is not None:
                self._counts["tier_hits"] += 1
                self._remember(key, raw)
        return raws

    def _recall(self, key: bytes) -> bytes | None:
        raw = self._entries.get(key)
        if raw is not None:
            self._entries.move_to_end(key)
        return raw

    def _remember(self, key: bytes, raw: bytes) -> None:
        """Put an entry into memory, unless there is one, as the newest; throw out the oldest until all fit."""
        if key in self._entries:
            self._entries.move_to_end(key)
            return
        self._entries[key] = raw
        self._nbytes += len(raw) + ENTRY_BYTES
        while self._nbytes > self.max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._nbytes -= len(oldest) + ENTRY_BYTES
            self._counts["evictions"] += 1


def _read(entry: Entry, num_bytes: int) -> bytes | None:
    """Return the bytes of a record, or None of what is something else."""
    fits = entry.codec == CODEC and entry.shape == (num_bytes,) and len(entry.payload) == num_bytes
    return entry.payload if fits else None


def _refuse_uneven(records: np.ndarray, histories: Sequence[bytes]) -> None:
    if records.dtype.hasobject or records.dtype.names is None:
        raise CacheError(f"results are {records.dtype}; give records of numbers, a structured type of NumPy")
    if len(records) != len(histories):
        raise CacheError(f"there are {len(histories)} histories for {len(records)} results; give one for each")
