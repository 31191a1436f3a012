"""A program that runs 10,000 searches in a keyed store, without the type checks of tests, and prints what they cost."""

import gc
import json
import sys
from pathlib import Path

import numpy as np
import psutil
import torch

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.cache.keyed.keyed_twin import KeyedMill, keyed_store

from kvzero.cache import CacheConfig, ContextLayout

TINY = ContextLayout(num_layers=1, num_heads=2, head_dim=4, context_tokens=6)
ONLY = np.array([0])


def search(mill: KeyedMill, times: int) -> None:
    """Take steps and search below each of them: two nodes of which the pool holds one, and one that was lost."""
    for _ in range(times):
        mill.made = 0
        mill.extend(ONLY, 0)
        contexts = mill.store.begin_search(ONLY, 0)
        for node in (1, 2):
            mill.write(contexts, node, contexts.read(ONLY))


def measure(kind: str) -> dict[str, int]:
    """Return how bytes of pools, bytes of the process and Python objects differ after 10,000 searches."""
    strategy = "priority" if kind == "pooled" else "fifo"
    store = keyed_store(
        kind, CacheConfig(init_pool_size=3, recur_pool_size=1, eviction=strategy), layout=TINY, num_envs=1
    )
    mill = KeyedMill(store, TINY)
    search(mill, 500)
    before = count(store.nbytes)
    search(mill, 10_000)
    after = count(store.nbytes)
    return {name: after[name] - before[name] for name in before}


def count(nbytes: int) -> dict[str, int]:
    """Return what there is now."""
    gc.collect()
    return {"pools": nbytes, "process": psutil.Process().memory_info().rss, "objects": len(gc.get_objects())}


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump({kind: measure(kind) for kind in ("pooled", "legacy")}, sys.stdout)
