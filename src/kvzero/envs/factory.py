"""Which implementation plays an environment id: Atari's vector environment, DeepMind Control, or Gymnasium's."""

from functools import partial
from typing import Any

from kvzero.envs.adapters import AtariEnvironments, DmcEnvironment, GymEnvironments, MinigridPlanes
from kvzero.envs.bins import BinnedActions
from kvzero.envs.config import EnvConfig
from kvzero.envs.environments import Environments
from kvzero.envs.ids import MINIGRID_PREFIX
from kvzero.envs.lookup import Maker, find_maker
from kvzero.envs.workers import WorkerEnvironments
from kvzero.errors import ConfigError

__all__ = ["make_environments"]


def make_environments(config: EnvConfig, *, num_envs: int, training: bool, render: bool = False) -> Environments:
    """Make `num_envs` copies of the configured environment; call `reset` before the first `step`.

    `training` lets Atari games end episodes with a life, where so configured; elsewhere it changes nothing. `render`
    lets environment 0 show RGB frames, at some cost.

    Raises:
        ConfigError: the id is unknown, a package is missing, a space is not supported, or it cannot render.
        EnvError: the environment's constructor raised.
    """
    if num_envs < 1:
        raise ConfigError(f"num_envs is {num_envs}; make at least 1 environment")
    if config.is_atari:
        return AtariEnvironments(config, num_envs=num_envs, training=training, render=render)
    if config.num_env_workers and not render:
        return WorkerEnvironments(partial(make_slice, config), num_envs=num_envs, num_workers=config.num_env_workers)
    return make_slice(config, num_envs=num_envs, render=render)


def make_slice(config: EnvConfig, *, num_envs: int, first_index: int = 0, render: bool = False) -> GymEnvironments:
    """Make `num_envs` environments in this process, called by their numbers from `first_index` on."""
    maker = _find_maker(config)
    if config.action_bins_per_dim:
        maker = partial(_make_binned, maker, config.action_bins_per_dim, config.name)
    return GymEnvironments(
        maker,
        name=config.name,
        num_envs=num_envs,
        render=render,
        reward_scale=config.reward_scale,
        first_index=first_index,
    )


def _find_maker(config: EnvConfig) -> Maker:
    if config.is_dmc:
        image_size = config.image_size if config.from_pixels else None
        return partial(DmcEnvironment, config.task, action_repeat=config.action_repeat, image_size=image_size)
    maker = partial(find_maker(config.env_id), **config.env_kwargs)
    return partial(_make_planes, maker) if config.env_id.startswith(MINIGRID_PREFIX) else maker


def _make_planes(maker: Maker, **options: Any) -> MinigridPlanes:
    return MinigridPlanes(maker(**options))


def _make_binned(maker: Maker, bins_per_dim: int, name: str, **options: Any) -> BinnedActions:
    return BinnedActions(maker(**options), bins_per_dim, name)
