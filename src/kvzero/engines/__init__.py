"""Engines: what computes the searches below the roots of one store, and what chooses which of them does."""

from kvzero.engines.build import build_engine, find_limit
from kvzero.engines.config import EngineKind, EnginePlan, SamplingConfig, SearchDtype, StoreKind
from kvzero.engines.engine import Engine, Past
from kvzero.engines.roll_out import RollOut, roll_out
from kvzero.engines.search_network import SearchNetwork
from kvzero.engines.stores import build_store
from kvzero.engines.trials import settle_engine

__all__ = [
    "Engine",
    "EngineKind",
    "EnginePlan",
    "Past",
    "RollOut",
    "SamplingConfig",
    "SearchDtype",
    "SearchNetwork",
    "StoreKind",
    "build_engine",
    "build_store",
    "find_limit",
    "roll_out",
    "settle_engine",
]
