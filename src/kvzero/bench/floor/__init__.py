"""Floors on this machine: what the linear layers of one simulation, or the products of one update, take alone.

A simulation is two dependent passes of one token per environment through all linear layers of the transformer, each
followed by the heads that its token is read by. Nothing else is counted: no norm, no attention, no tree, no cache.
"""

from kvzero.bench.floor.layers import layer_sizes, simulations_at_once
from kvzero.bench.floor.meter import Floor, FloorMeter
from kvzero.bench.floor.native_layers import native_ways
from kvzero.bench.floor.torch_layers import torch_ways
from kvzero.bench.floor.update import UpdateFloor, record_products

__all__ = [
    "Floor",
    "FloorMeter",
    "UpdateFloor",
    "layer_sizes",
    "native_ways",
    "record_products",
    "simulations_at_once",
    "torch_ways",
]
