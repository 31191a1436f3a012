"""The command line: train, evaluate, presets, bench."""

from kvzero.cli.main import main

__all__ = ["main"]
