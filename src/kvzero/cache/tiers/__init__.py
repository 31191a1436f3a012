"""Tiers: where results and contexts outlive a process and are shared by many; off unless asked for."""

from kvzero.cache.tiers.stats import TierStats
from kvzero.cache.tiers.tier import DIGEST_BYTES, MISS_REASONS, Entry, MissReason, Tier

__all__ = ["DIGEST_BYTES", "MISS_REASONS", "Entry", "MissReason", "Tier", "TierStats"]
