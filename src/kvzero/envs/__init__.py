"""Environments: Gymnasium, Atari and the user's own, stepped together behind one protocol."""

from kvzero.envs.adapters import MinigridPlanes
from kvzero.envs.arguments import EnvArguments
from kvzero.envs.bins import BinnedActions
from kvzero.envs.config import EnvConfig
from kvzero.envs.environments import Environments, Start, Steps, check_alike
from kvzero.envs.factory import make_environments
from kvzero.envs.spaces import EnvFormats, read_formats

__all__ = [
    "BinnedActions",
    "EnvArguments",
    "EnvConfig",
    "EnvFormats",
    "Environments",
    "MinigridPlanes",
    "Start",
    "Steps",
    "check_alike",
    "make_environments",
    "read_formats",
]
