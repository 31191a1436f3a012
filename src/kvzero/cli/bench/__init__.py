"""`kvzero bench`: how fast search and training are on this machine, how fast a peer is, and what rounding costs."""

from kvzero.cli.bench.command import bench

__all__ = ["bench"]
