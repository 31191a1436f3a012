"""`kvzero bench`: how fast search and training are on this machine, and how fast a peer is."""

from kvzero.cli.bench.command import bench

__all__ = ["bench"]
