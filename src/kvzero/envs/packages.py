"""Packages that register environments only once they are asked to: which ids are theirs, and how each is asked."""

import importlib
from importlib.metadata import entry_points

import gymnasium

from kvzero.envs.extras import missing_dependency
from kvzero.envs.ids import MINIGRID_PREFIX

__all__ = ["register_package"]

_PACKAGES = {"MinAtar/": "minatar", MINIGRID_PREFIX: "minigrid", "popgym-": "popgym"}

_HOOKS = "gymnasium.envs"
"""Entry points by which a package offers to register its environments; since 1.0 Gymnasium leaves them to others."""


def register_package(env_id: str) -> None:
    """Let the package whose ids begin like this one register its environments; do nothing for any other id.

    Raises:
        ConfigError: if it is not installed, with the extra that brings it.
    """
    for prefix, package in _PACKAGES.items():
        if env_id.startswith(prefix) and not any(known.startswith(prefix) for known in gymnasium.registry):
            _register(package, env_id)


def _register(package: str, env_id: str) -> None:
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise missing_dependency(env_id, error) from error
    for hook in entry_points(group=_HOOKS):
        if hook.module.partition(".")[0] == package:
            hook.load()()
