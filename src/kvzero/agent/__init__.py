"""Joins model, search and cache: observe, plan, act."""

from kvzero.agent.agent import Agent
from kvzero.agent.config import AgentConfig
from kvzero.agent.contexts import LoadedContexts
from kvzero.agent.findings import Findings
from kvzero.agent.namespaces import context_namespace, refuse_inexact, result_namespace
from kvzero.agent.notes import read_notes
from kvzero.agent.persistence import Persistence
from kvzero.agent.planner import Planner, open_engine
from kvzero.agent.search_record import SearchRecord
from kvzero.agent.slips import slip
from kvzero.agent.weights import (
    CHECKPOINTS,
    check_environment,
    checkpoint_env_steps,
    checkpoint_name,
    load_network,
    load_tensors,
    load_weights,
    newest_checkpoint,
    read_checkpoint,
    refuse_changed,
    save_agent,
    save_agent_file,
    save_tensors,
    save_weights,
    whole_checkpoints,
)

__all__ = [
    "CHECKPOINTS",
    "Agent",
    "AgentConfig",
    "Findings",
    "LoadedContexts",
    "Persistence",
    "Planner",
    "SearchRecord",
    "check_environment",
    "checkpoint_env_steps",
    "checkpoint_name",
    "context_namespace",
    "load_network",
    "load_tensors",
    "load_weights",
    "newest_checkpoint",
    "open_engine",
    "read_checkpoint",
    "read_notes",
    "refuse_changed",
    "refuse_inexact",
    "result_namespace",
    "save_agent",
    "save_agent_file",
    "save_tensors",
    "save_weights",
    "slip",
    "whole_checkpoints",
]
