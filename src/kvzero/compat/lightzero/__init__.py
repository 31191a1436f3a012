"""LightZero configs: the nested dicts of its UniZero agents, and the Python files that hold them."""

from kvzero.compat.lightzero.load import LightZeroWarning, load_config, load_file

__all__ = ["LightZeroWarning", "load_config", "load_file"]
