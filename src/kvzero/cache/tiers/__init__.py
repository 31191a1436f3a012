"""Tiers: where results and contexts outlive a process and are shared by many; off unless asked for."""

from kvzero.cache.tiers.config import TierConfig
from kvzero.cache.tiers.open import open_tier
from kvzero.cache.tiers.stats import DropReason, MissReason, TierStats
from kvzero.cache.tiers.tier import Entry, Tier

__all__ = ["DropReason", "Entry", "MissReason", "Tier", "TierConfig", "TierStats", "open_tier"]
