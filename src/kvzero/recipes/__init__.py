"""Presets: functions that return a whole run's config."""

from kvzero.recipes.presets import PRESETS, preset

__all__ = ["PRESETS", "preset"]
