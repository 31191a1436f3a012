"""Several tiers as one: the nearest is asked first, and takes what a farther one had."""

from collections.abc import Mapping, Sequence

from kvzero.cache.tiers.stats import TierStats
from kvzero.cache.tiers.tier import Entry, Tier

__all__ = ["TierChain"]


class TierChain:
    """Serves `Tier` over others, whose names differ, in the order in which they are asked."""

    def __init__(self, tiers: Sequence[Tier]) -> None:
        self._tiers = tiers

    def get_many(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | None]:
        """Return what is kept under each key, by the first tier that has it; those before it are given it."""
        found: dict[bytes, Entry] = {}
        missing = list(dict.fromkeys(keys))
        for place, tier in enumerate(self._tiers):
            entries = tier.get_many(namespace, missing)
            new = {key: entry for key, entry in zip(missing, entries, strict=True) if entry is not None}
            if new:
                found |= new
                missing = [key for key in missing if key not in new]
                for nearer in self._tiers[:place]:
                    nearer.set_many(namespace, new)
            if not missing:
                break
        return [found.get(key) for key in keys]

    def set_many(self, namespace: bytes, entries: Mapping[bytes, Entry]) -> None:
        """Have entries kept by every tier."""
        for tier in self._tiers:
            tier.set_many(namespace, entries)

    def drop(self, keys: Sequence[bytes]) -> None:
        """Forget keys everywhere."""
        for tier in self._tiers:
            tier.drop(keys)

    def stats(self) -> dict[str, TierStats]:
        """Return what each tier did, under its name."""
        return {name: stats for tier in self._tiers for name, stats in tier.stats().items()}

    def close(self) -> None:
        """Close every tier."""
        for tier in self._tiers:
            tier.close()
