"""Which store an agent's config asks for, built; and the model's side of a store that may lose contexts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.agent.config import AgentConfig
from kvzero.agent.search_network import SearchNetwork
from kvzero.cache import (
    ContextLevels,
    ContextStore,
    KeyedStore,
    KVCacheManager,
    LegacyCaches,
    LegacyLevels,
    ManagerSettings,
    Parts,
    PooledLevels,
    TreeStore,
    Window,
    make_keys,
)

__all__ = ["NetworkReplayer", "build_store"]


class NetworkReplayer:
    """Makes a node's context anew by passing what led to it through the network."""

    def __init__(self, network: SearchNetwork) -> None:
        self._network = network

    def replay(
        self,
        window: Window,
        *,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        lengths: Int[np.ndarray, " batch"],
    ) -> None:
        """Fill the last two places of a window with a known action and the latent that it led to."""
        network = self._network.current
        positions = network.config.layout.next_positions(lengths)[:, None] + np.array([0, 1])
        network.extend_roots(actions, latents, torch.from_numpy(positions).to(network.device), window)
        network.slide(window)


@dataclass(frozen=True, slots=True)
class _Site:
    """Who a store is built for."""

    network: SearchNetwork
    config: AgentConfig
    num_envs: int
    num_simulations: int

    @property
    def device(self) -> torch.device:
        return self.network.source.device

    @property
    def dtype(self) -> torch.dtype:
        return self.network.dtype

    @property
    def settings(self) -> ManagerSettings:
        return self.config.pool_settings(self.num_simulations)


def build_store(network: SearchNetwork, config: AgentConfig, *, num_envs: int, num_simulations: int) -> ContextStore:
    """Return the store that `config.store` names.

    Raises:
        ConfigError: if a size is not positive, or pools would pass their budget.
    """
    return _BUILDERS[config.store](_Site(network, config, num_envs, num_simulations))


def _build_tree(site: _Site) -> ContextStore:
    return TreeStore(
        site.config.model.layout,
        num_envs=site.num_envs,
        num_simulations=site.num_simulations,
        device=site.device,
        dtype=site.dtype,
        tokens_per_node=1 + site.network.source.spec.num_actions if site.config.one_pass else 2,
    )


def _build_pooled(site: _Site) -> ContextStore:
    manager = KVCacheManager(
        site.settings, site.num_envs, site.config.cache.pool_stats, device=site.device, dtype=site.dtype
    )
    return _build_keyed(site, PooledLevels(manager))


def _build_legacy(site: _Site) -> ContextStore:
    caches = LegacyCaches(site.settings, site.num_envs, site.config.cache.pool_stats, dtype=site.dtype)
    return _build_keyed(site, LegacyLevels(caches))


def _build_keyed(site: _Site, levels: ContextLevels) -> ContextStore:
    parts = Parts(
        layout=site.config.model.layout,
        levels=levels,
        keys=make_keys(site.config.cache.key_mode),
        regenerator=NetworkReplayer(site.network),
        device=site.device,
        dtype=site.dtype,
    )
    return KeyedStore(parts, num_envs=site.num_envs)


_BUILDERS: dict[str, Callable[[_Site], ContextStore]] = {
    "tree": _build_tree,
    "pooled": _build_pooled,
    "legacy": _build_legacy,
}
