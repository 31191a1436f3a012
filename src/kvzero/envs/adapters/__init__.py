"""How each kind of environment is played: Gymnasium's, Atari games, tasks of DeepMind Control, MiniGrid."""

from kvzero.envs.adapters.atari import AtariEnvironments
from kvzero.envs.adapters.dmc import DmcEnvironment
from kvzero.envs.adapters.gym import GymEnvironments
from kvzero.envs.adapters.minigrid import MinigridPlanes

__all__ = ["AtariEnvironments", "DmcEnvironment", "GymEnvironments", "MinigridPlanes"]
