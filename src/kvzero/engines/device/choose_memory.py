"""Which way a search on the device evaluates its new nodes."""

from collections.abc import Callable
from importlib.util import find_spec

import torch

from kvzero.cache import TreeStore
from kvzero.engines.device.expanders import ExpanderMemory, OnePassMemory, TwoPassMemory
from kvzero.model import Network

__all__ = ["choose_memory"]

TOKENS_OF_TWO_PASSES = 2
"""Of a node: the action that leads there, and its latent. In one pass they are the latent and all actions there."""


def choose_memory(network: Network, store: TreeStore) -> Callable[[TreeStore, int], ExpanderMemory]:
    """Return what expands nodes: in one pass where the store has room for all actions at a node, else in two.

    One pass is done with kernels where the network is on a GPU and there is a Triton.
    """
    if store.memory.tokens_per_node == TOKENS_OF_TWO_PASSES:
        return TwoPassMemory
    if network.device.type == "cuda" and find_spec("triton") is not None:
        from kvzero.engines.device.fused_one_pass import try_fused_memory  # noqa: PLC0415  # optional

        with torch.cuda.device(network.device):
            return try_fused_memory(network, store)
    return OnePassMemory
