"""The eager engine: PyTorch, node by node, on any device and in any store."""

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped

from kvzero.cache import ContextStore
from kvzero.engines.choices import Choices
from kvzero.engines.config import EngineKind, SamplingConfig
from kvzero.engines.engine import Past
from kvzero.engines.expander import CachedExpander
from kvzero.engines.host_search import HostSearch
from kvzero.engines.roots import extend_roots, rebuild_along, rebuild_roots
from kvzero.engines.search_network import SearchNetwork
from kvzero.model import RootReading
from kvzero.search import Outcome, SearchConfig

__all__ = ["EagerEngine"]


class EagerEngine:
    """Serves `Engine` wherever PyTorch runs."""

    name: EngineKind = "eager"

    def __init__(
        self, network: SearchNetwork, store: ContextStore, search: SearchConfig, sampling: SamplingConfig
    ) -> None:
        self.store = store
        self._network = network
        self._searches = HostSearch(network.source, search, sampling, num_envs=store.num_envs)

    @torch.inference_mode()
    def extend(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        actions: Shaped[np.ndarray, "env *action"],
    ) -> None:
        """Move each root on by the action taken and the observation seen next."""
        self._searches.keep(envs, extend_roots(self._network, self.store, envs, observations, actions))

    @torch.inference_mode()
    def rebuild(self, envs: Int[np.ndarray, " env"], past: Past, lengths: Int[np.ndarray, " env"]) -> None:
        """Replace each root by that of a sequence."""
        self._searches.keep(envs, rebuild_roots(self._network, self.store, envs, past, lengths))

    @torch.inference_mode()
    def rebuild_along(self, envs: Int[np.ndarray, " env"], past: Past, is_root: Bool[np.ndarray, "chunk time"]) -> None:
        """Replace each root by that of one marked observation."""
        self._searches.keep(envs, rebuild_along(self._network, self.store, envs, past, is_root))

    def readings(self, envs: Int[np.ndarray, " env"]) -> RootReading:
        """Return what the network said of the newest observation at each root."""
        return self._searches.readings(envs)

    def keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        """Take in what the network said of roots that were put into the store as they were saved."""
        self._searches.keep(envs, reading)

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on."""
        self._searches.set_discount(discount)

    @torch.inference_mode()
    def search(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None = None,
    ) -> Outcome:
        """Search below each root, asking the network for every node."""

        def open_expander(choices: Choices) -> CachedExpander:
            contexts = self.store.begin_search(envs, self._network.source.version)
            positions = self.store.lengths(envs) - 1
            num_simulations = self._searches.config.num_simulations
            return CachedExpander(self._network.current, contexts, positions, num_simulations, choices)

        return self._searches.run(envs, action_masks, open_expander, rng=rng, temperature=temperature)
