"""The linear layers of a shape by the kernels of the native engine, compiled into a library of their own."""

import ctypes
import time
from functools import cache
from pathlib import Path

from torch import get_num_threads

from kvzero.bench.config import SearchBench
from kvzero.bench.floor.layers import simulations_at_once
from kvzero.bench.turns import Searcher
from kvzero.errors import EngineError
from kvzero.model import choose_device, load_native_library

__all__ = ["NativeLayers", "native_ways"]

SOURCE = Path(__file__).with_suffix(".c")


def native_ways(config: SearchBench) -> dict[str, Searcher]:
    """Return the way that the native engine has, where it can serve."""
    if choose_device(config.device).type != "cpu":
        return {}
    try:
        return {"native": NativeLayers(config)}
    except EngineError:
        return {}


class NativeLayers:
    """The linear layers of several simulations as the native engine computes them, without anything between them."""

    def __init__(self, config: SearchBench) -> None:
        """Make weights.

        Raises:
            EngineError: if the library cannot be built here, or memory is short.
        """
        self._library = _load()
        self._sizes = config.num_envs, simulations_at_once(config)
        self._layers = self._library.kvzero_make_layers(
            config.embed_dim,
            config.num_layers,
            config.policy_size,
            config.support_size,
            config.embed_dim * config.head_expansion,
            config.dtype == "bfloat16",
        )
        if not self._layers:
            raise EngineError(f"there is no memory for the layers of width {config.embed_dim}")

    def __del__(self) -> None:
        if layers := self.__dict__.get("_layers"):
            self._library.kvzero_free(layers)

    def search(self) -> float:
        """Compute the layers of several simulations; return the seconds that one of them took."""
        num_rows, num_simulations = self._sizes
        before = time.perf_counter()
        if not self._library.kvzero_multiply(self._layers, num_rows, num_simulations, get_num_threads()):
            raise EngineError(f"there is no memory for {num_rows} rows")
        return (time.perf_counter() - before) / num_simulations


@cache
def _load() -> ctypes.CDLL:
    """Return the library, its functions declared as native_layers.c has them."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library = load_native_library(SOURCE)
    library.kvzero_make_layers.restype = pointer
    library.kvzero_make_layers.argtypes = (number,) * 6
    library.kvzero_multiply.restype = number
    library.kvzero_multiply.argtypes = (pointer, number, number, number)
    library.kvzero_free.restype = None
    library.kvzero_free.argtypes = (pointer,)
    return library
