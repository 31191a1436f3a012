"""The command line: train, evaluate, export, report, compare, presets, bench."""

from kvzero.cli.main import main

__all__ = ["main"]
