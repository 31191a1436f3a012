"""The command line: train, evaluate, compare, presets, bench."""

from kvzero.cli.main import main

__all__ = ["main"]
