"""Who else searches: found only when asked for, since the peers are an optional extra."""

import importlib
import os
import sys
from dataclasses import dataclass
from typing import get_args

from kvzero.bench.config import NumberType, SearchBench
from kvzero.bench.turns import Searcher
from kvzero.errors import ConfigError

__all__ = ["Peer", "find_peer", "find_peer_floor"]

HEAT_SEARCHES = 3


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer in the number type in which it is faster."""

    searcher: Searcher
    dtype: NumberType
    heats: dict[NumberType, float]
    """Simulations per second of each number type that was tried, in its fastest search."""


def find_peer(config: SearchBench, num_threads: int) -> Peer:
    """Return mctx at this shape, compiled and warm.

    For float32 it searches in float32; for bfloat16 in the number type in which it is faster here.

    Raises:
        ConfigError: if mctx or JAX is not installed, or JAX already computes with another number of threads.
    """
    _prepare_jax(num_threads)
    _multiply_as_pytorch(config.dtype)
    from kvzero.bench.peers.mctx_search import MctxSearch  # noqa: PLC0415  # an optional extra

    dtypes: tuple[NumberType, ...] = ("float32",) if config.dtype == "float32" else get_args(NumberType)
    searchers = {dtype: MctxSearch(config, dtype) for dtype in dtypes}
    simulations = config.num_envs * config.num_simulations
    heats = {dtype: simulations / _best_seconds(searcher) for dtype, searcher in searchers.items()}
    best = max(heats, key=heats.__getitem__)
    return Peer(searchers[best], best, {dtype: round(rate, 1) for dtype, rate in heats.items()})


def find_peer_floor(config: SearchBench) -> dict[str, Searcher]:
    """Return the way that JAX has of computing the linear layers; call `find_peer` first."""
    from kvzero.bench.peers.xla_layers import XlaLayers  # noqa: PLC0415  # an optional extra

    return {"XLA": XlaLayers(config)}


def _best_seconds(searcher: Searcher) -> float:
    searcher.search()
    return min(searcher.search() for _ in range(HEAT_SEARCHES))


def _multiply_as_pytorch(dtype: NumberType) -> None:
    """Let JAX multiply float32 in float32 on GPUs, as PyTorch does; by itself it would take TF32."""
    import jax  # noqa: PLC0415  # an optional extra

    jax.config.update("jax_default_matmul_precision", "float32" if dtype == "float32" else None)


def _prepare_jax(num_threads: int) -> None:
    """Let JAX use so many threads; XLA reads this variable once, when it first computes."""
    if "jax" in sys.modules and os.environ.get("NPROC") not in (None, str(num_threads)):
        raise ConfigError(
            f"num_threads is {num_threads}, but JAX computes with {os.environ['NPROC']} in this process; "
            "measure another number of threads in another process"
        )
    os.environ["NPROC"] = str(num_threads)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or it would take most of a GPU that is shared
    try:
        importlib.import_module("jax")
        importlib.import_module("mctx")
    except ImportError as error:
        raise ConfigError(
            f'peer is mctx, but {error.name or "it"} cannot be imported; run: pip install "kvzero[bench]"'
        ) from error
