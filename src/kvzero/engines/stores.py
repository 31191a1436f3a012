"""Which store is asked for, built; and the model's side of a store that may lose contexts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.cache import (
    CacheConfig,
    ContextLevels,
    ContextStore,
    KeyedParts,
    KeyedStore,
    KVCacheManager,
    LegacyCaches,
    LegacyLevels,
    ManagerSettings,
    PooledLevels,
    TreeStore,
    Window,
    make_keys,
)
from kvzero.engines.config import StoreKind
from kvzero.engines.search_network import SearchNetwork

__all__ = ["ContextRegenerator", "build_store"]


class ContextRegenerator:
    """Makes a node's context anew by passing what led to it through the network."""

    def __init__(self, network: SearchNetwork) -> None:
        self._network = network

    def regenerate(
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
class _Request:
    """What a store is to hold, and for whom."""

    network: SearchNetwork
    cache: CacheConfig
    num_envs: int
    num_simulations: int
    has_all_actions: bool

    @property
    def device(self) -> torch.device:
        return self.network.source.device

    @property
    def dtype(self) -> torch.dtype:
        return self.network.dtype

    @property
    def settings(self) -> ManagerSettings:
        layout = self.network.source.config.layout
        return ManagerSettings(layout=layout, num_simulations=self.num_simulations, cache=self.cache)


def build_store(
    kind: StoreKind,
    network: SearchNetwork,
    cache: CacheConfig,
    *,
    num_envs: int,
    num_simulations: int,
    has_all_actions: bool = False,
) -> ContextStore:
    """Return a store for searches with `network`; with `has_all_actions` a tree has room for them at every node.

    Raises:
        ConfigError: if a size is not positive, or pools would pass their budget.
    """
    return STORES[kind](_Request(network, cache, num_envs, num_simulations, has_all_actions))


def _build_tree(request: _Request) -> ContextStore:
    return TreeStore(
        request.settings.layout,
        num_envs=request.num_envs,
        num_simulations=request.num_simulations,
        device=request.device,
        dtype=request.dtype,
        tokens_per_node=1 + request.network.source.spec.num_actions if request.has_all_actions else 2,
    )


def _build_pooled(request: _Request) -> ContextStore:
    manager = KVCacheManager(request.settings, request.num_envs, device=request.device, dtype=request.dtype)
    return _build_keyed(request, PooledLevels(manager))


def _build_legacy(request: _Request) -> ContextStore:
    caches = LegacyCaches(request.settings, request.num_envs, device=request.device, dtype=request.dtype)
    return _build_keyed(request, LegacyLevels(caches))


def _build_keyed(request: _Request, levels: ContextLevels) -> ContextStore:
    parts = KeyedParts(
        layout=request.settings.layout,
        levels=levels,
        keys=make_keys(request.cache.key_mode),
        weights=lambda: request.network.current.digest,
        regenerator=ContextRegenerator(request.network),
        device=request.device,
        dtype=request.dtype,
    )
    return KeyedStore(parts, num_envs=request.num_envs)


STORES: dict[StoreKind, Callable[[_Request], ContextStore]] = {
    "tree": _build_tree,
    "pooled": _build_pooled,
    "legacy": _build_legacy,
}
