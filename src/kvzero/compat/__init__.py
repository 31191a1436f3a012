"""Other libraries' ways of saying what to train, read into kvzero's own."""

from kvzero.compat.lightzero import LightZeroWarning, load_config, load_file

__all__ = ["LightZeroWarning", "load_config", "load_file"]
