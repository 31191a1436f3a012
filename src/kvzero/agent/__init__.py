"""Joins model, search and cache: observe, plan, act."""

from kvzero.agent.agent import Agent
from kvzero.agent.config import AgentConfig, EngineKind, SamplingConfig, SearchDtype, StoreKind
from kvzero.agent.devices import choose_device
from kvzero.agent.expander import CachedExpander
from kvzero.agent.planner import Planner
from kvzero.agent.weights import (
    CHECKPOINTS,
    load_network,
    load_tensors,
    load_weights,
    newest_checkpoint,
    save_agent,
    save_weights,
)

__all__ = [
    "CHECKPOINTS",
    "Agent",
    "AgentConfig",
    "CachedExpander",
    "EngineKind",
    "Planner",
    "SamplingConfig",
    "SearchDtype",
    "StoreKind",
    "choose_device",
    "load_network",
    "load_tensors",
    "load_weights",
    "newest_checkpoint",
    "save_agent",
    "save_weights",
]
