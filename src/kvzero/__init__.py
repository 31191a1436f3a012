"""UniZero-class agents in PyTorch: a transformer world model searched with an exact key/value cache."""

from importlib.metadata import version as _version

import kvzero.interrupts as _interrupts  # noqa: F401  # before all that takes time
from kvzero.agent import Agent, AgentConfig, SearchRecord
from kvzero.cache import CacheConfig, CacheStats, EvictionStrategy, KeysValues, KVCacheManager, KVCachePool
from kvzero.compat import LightZeroWarning, Tokenizer, TransformerConfig, WorldModel
from kvzero.envs import EnvConfig
from kvzero.errors import KvzeroError
from kvzero.model import ModelConfig, Network
from kvzero.recipes import PRESETS, preset
from kvzero.records import EnvSpec
from kvzero.replay import ReplayConfig
from kvzero.search import SearchConfig
from kvzero.training import (
    DistributedConfig,
    LearnerConfig,
    ReanalysisConfig,
    RunConfig,
    ScheduleConfig,
    evaluate_run,
    export_run,
    resume,
    train,
)

__all__ = [
    "PRESETS",
    "Agent",
    "AgentConfig",
    "CacheConfig",
    "CacheStats",
    "DistributedConfig",
    "EnvConfig",
    "EnvSpec",
    "EvictionStrategy",
    "KVCacheManager",
    "KVCachePool",
    "KeysValues",
    "KvzeroError",
    "LearnerConfig",
    "LightZeroWarning",
    "ModelConfig",
    "Network",
    "ReanalysisConfig",
    "ReplayConfig",
    "RunConfig",
    "ScheduleConfig",
    "SearchConfig",
    "SearchRecord",
    "Tokenizer",
    "TransformerConfig",
    "WorldModel",
    "evaluate_run",
    "export_run",
    "preset",
    "resume",
    "train",
]

__version__ = _version("kvzero")
