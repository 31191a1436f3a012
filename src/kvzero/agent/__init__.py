"""Joins model, search and cache: observe, plan, act."""

from kvzero.agent.agent import Agent
from kvzero.agent.config import AgentConfig
from kvzero.agent.inference import InitialInference, RecurrentInference
from kvzero.agent.planner import Planner
from kvzero.agent.tokenizer import Tokenizer
from kvzero.agent.transformer_config import TransformerConfig
from kvzero.agent.weights import (
    CHECKPOINTS,
    check_environment,
    load_network,
    load_tensors,
    load_weights,
    newest_checkpoint,
    save_agent,
    save_tensors,
    save_weights,
)
from kvzero.agent.world_model import WorldModel
from kvzero.agent.world_model_loss import LossTargets, WorldModelLoss

__all__ = [
    "CHECKPOINTS",
    "Agent",
    "AgentConfig",
    "InitialInference",
    "LossTargets",
    "Planner",
    "RecurrentInference",
    "Tokenizer",
    "TransformerConfig",
    "WorldModel",
    "WorldModelLoss",
    "check_environment",
    "load_network",
    "load_tensors",
    "load_weights",
    "newest_checkpoint",
    "save_agent",
    "save_tensors",
    "save_weights",
]
