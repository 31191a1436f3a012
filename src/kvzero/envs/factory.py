"""Which implementation plays an environment id: Atari's vector environment, or Gymnasium's."""

from kvzero.envs.atari import AtariEnvironments
from kvzero.envs.config import ATARI_PREFIX, EnvConfig
from kvzero.envs.environments import Environments
from kvzero.envs.gym import GymEnvironments
from kvzero.envs.lookup import find_maker
from kvzero.errors import ConfigError

__all__ = ["make_environments"]


def make_environments(config: EnvConfig, *, num_envs: int, training: bool, render: bool = False) -> Environments:
    """Make `num_envs` copies of the configured environment; call `reset` before the first `step`.

    `training` lets Atari games clip rewards and end episodes with a life, where so configured; elsewhere it changes
    nothing. `render` lets environment 0 show RGB frames, at some cost.

    Raises:
        ConfigError: the id is unknown, a package is missing, a space is not supported, or it cannot render.
        EnvError: the environment's constructor raised.
    """
    if num_envs < 1:
        raise ConfigError(f"num_envs is {num_envs}; make at least 1 environment")
    if config.env_id.startswith(ATARI_PREFIX):
        return AtariEnvironments(config, num_envs=num_envs, training=training, render=render)
    return GymEnvironments(find_maker(config.env_id), name=config.env_id, num_envs=num_envs, render=render)
