"""How each kind of environment is played: Gymnasium's, Atari games, tasks of DeepMind Control."""

from kvzero.envs.adapters.atari import AtariEnvironments
from kvzero.envs.adapters.dmc import DmcEnvironment
from kvzero.envs.adapters.gym import GymEnvironments

__all__ = ["AtariEnvironments", "DmcEnvironment", "GymEnvironments"]
