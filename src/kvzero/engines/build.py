"""The one place that decides which engine computes a search."""

import logging
from collections.abc import Callable, Collection
from functools import cache

from kvzero.cache import ContextStore
from kvzero.engines.config import EngineKind, SamplingConfig, StoreKind
from kvzero.engines.device import DeviceEngine
from kvzero.engines.eager import EagerEngine
from kvzero.engines.engine import Engine
from kvzero.engines.native import NativeEngine
from kvzero.engines.search_network import SearchNetwork
from kvzero.errors import EngineError
from kvzero.search import SearchConfig

__all__ = ["build_engine", "find_limit"]

logger = logging.getLogger(__name__)

ENGINES: dict[str, Callable[[SearchNetwork, ContextStore, SearchConfig, SamplingConfig], Engine]] = {
    "native": NativeEngine,
    "device": DeviceEngine,
    "eager": EagerEngine,
}


def build_engine(
    kind: EngineKind, network: SearchNetwork, store: ContextStore, search: SearchConfig, sampling: SamplingConfig
) -> Engine:
    """Return the engine `kind`; for auto the native one where that can serve, else the eager one.

    That auto has to do without the native engine is said once, in the log.

    Raises:
        EngineError: if an engine was named that cannot serve here.
    """
    if kind != "auto":
        return ENGINES[kind](network, store, search, sampling)
    try:
        return NativeEngine(network, store, search, sampling)
    except EngineError as error:
        _tell_once(str(error))
    return EagerEngine(network, store, search, sampling)


def find_limit(kind: EngineKind, stores: Collection[StoreKind]) -> str | None:
    """Return what an engine serves only, where that is not all of these stores in float32 and in float64; else None."""
    if kind == "native":
        return "the tree store in float32"
    return "the tree store" if kind == "device" and set(stores) != {"tree"} else None


@cache
def _tell_once(reason: str) -> None:
    logger.warning("searching with PyTorch, not with the native engine: %s", reason)
