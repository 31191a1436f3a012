"""The ways in which new tokens pass through the network during acting, and which of them is taken."""

import logging
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from kvzero.agent.choices import Choices
from kvzero.agent.config import AgentConfig
from kvzero.agent.device import DevicePlanner
from kvzero.agent.expander import CachedExpander
from kvzero.agent.native import NativePath
from kvzero.agent.search_network import SearchNetwork
from kvzero.cache import ContextStore, TreeStore
from kvzero.errors import EngineError
from kvzero.model import RootReading
from kvzero.search import Expander, SearchConfig

__all__ = ["EagerPath", "Path", "build_device_planner", "build_path"]

logger = logging.getLogger(__name__)


@runtime_checkable  # the shape checks of the test session ask isinstance
class Path(Protocol):
    """How new tokens pass through the network against the contexts of a store."""

    def encode(self, observations: Shaped[np.ndarray, "env ..."]) -> Float[Tensor, "env embed"]:
        """Return the latent token of each observation, in the number type of the search."""

    def extend_roots(
        self,
        envs: Int[np.ndarray, " env"],
        version: int,
        *,
        actions: Shaped[np.ndarray, "env *action"],
        latents: Float[Tensor, "env embed"],
    ) -> RootReading:
        """Append the action taken and the latent seen next to each root, and read it."""

    def begin_search(
        self, envs: Int[np.ndarray, " env"], version: int, num_simulations: int, choices: Choices
    ) -> Expander:
        """Open a search among `choices` below the roots of these environments.

        Raises:
            StaleContextError: if a root was made by other weights, or there is none.
        """


class EagerPath:
    """Passes tokens with PyTorch, on any device and through any store."""

    def __init__(self, network: SearchNetwork, store: ContextStore) -> None:
        self._network = network
        self._store = store

    def encode(self, observations: Shaped[np.ndarray, "env ..."]) -> Float[Tensor, "env embed"]:
        """Return the latent token of each observation, in the number type of the search."""
        network = self._network.source
        return network.encode(torch.from_numpy(observations).to(network.device)).to(self._network.dtype)

    def extend_roots(
        self,
        envs: Int[np.ndarray, " env"],
        version: int,
        *,
        actions: Shaped[np.ndarray, "env *action"],
        latents: Float[Tensor, "env embed"],
    ) -> RootReading:
        """Append the action taken and the latent seen next to each root, and read it."""
        network = self._network.current
        first = network.config.layout.next_positions(self._store.lengths(envs))
        positions = (first[:, None] + np.array([0, 1])).clip(min=0)
        network.transformer.positions.reserve(int(positions.max()) + 1)
        window = self._store.read_roots(envs, version)
        reading = network.extend_roots(
            torch.from_numpy(actions).to(network.device),
            latents,
            torch.from_numpy(positions).to(network.device),
            window,
        )
        network.slide(window)
        self._store.extend_roots(envs, version, latents=latents, window=window)
        return reading

    def begin_search(
        self, envs: Int[np.ndarray, " env"], version: int, num_simulations: int, choices: Choices
    ) -> CachedExpander:
        """Open a search among `choices` below the roots of these environments."""
        contexts = self._store.begin_search(envs, version)
        root_positions = self._store.lengths(envs) - 1
        return CachedExpander(self._network.current, contexts, root_positions, num_simulations, choices)


def build_path(network: SearchNetwork, config: AgentConfig, store: ContextStore, *, num_envs: int) -> Path:
    """Return the native path where it can serve and the config allows it, else the eager one.

    A search that stays on the device takes the eager path for its roots, see `build_device_planner`.

    That `auto` has to do without is said once, in the log.

    Raises:
        EngineError: if `engine` is native and it cannot serve.
    """
    if config.engine in ("eager", "device"):
        return EagerPath(network, store)
    try:
        if not isinstance(store, TreeStore):
            raise EngineError(f"the store is {config.store}; the native engine works on the tree store's memory")
        return NativePath(network.source, store, dtype=network.dtype, max_rows=num_envs)
    except EngineError as error:
        if config.engine == "native":
            raise
        _tell_once(str(error))
    return EagerPath(network, store)


def build_device_planner(
    network: SearchNetwork, store: ContextStore, config: AgentConfig, search: SearchConfig, *, num_envs: int
) -> DevicePlanner | None:
    """Return what searches on the device without a word from the host where `engine` is device, else None.

    Raises:
        EngineError: if it cannot serve.
    """
    if config.engine != "device":
        return None
    if not isinstance(store, TreeStore):
        raise EngineError(f"the store is {config.store}; only the tree store is read by indices on the device")
    if network.source.spec.is_continuous:
        raise EngineError("actions are continuous; searches on the device know numbered actions")
    return DevicePlanner(network, store, search, num_envs=num_envs, is_one_pass=config.one_pass)


@cache
def _tell_once(reason: str) -> None:
    logger.warning("searching with PyTorch, not with the native engine: %s", reason)
