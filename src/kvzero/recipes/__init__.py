"""Presets: functions that return a whole run's config."""

from kvzero.recipes.choices import with_rule, with_sampler
from kvzero.recipes.presets import PRESETS, preset

__all__ = ["PRESETS", "preset", "with_rule", "with_sampler"]
