"""The device engine: a whole search is one piece of work on the network's device, recorded once and replayed."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from kvzero.cache import ContextStore, TreeStore
from kvzero.engines.config import EngineKind, SamplingConfig
from kvzero.engines.device.choose_memory import choose_memory
from kvzero.engines.device.expanders import ExpanderMemory
from kvzero.engines.device.recordings import Recordings, choose_recorder
from kvzero.engines.engine import Past
from kvzero.engines.roots import extend_roots, rebuild_along, rebuild_roots
from kvzero.engines.search_network import SearchNetwork
from kvzero.errors import EngineError
from kvzero.model import RootReading
from kvzero.search import DeviceSearch, Outcome, SearchConfig

__all__ = ["DeviceEngine"]


@dataclass(frozen=True, slots=True)
class _SizedSearch:
    """All that searches of one number of rows work on."""

    memory: ExpanderMemory
    search: DeviceSearch


class DeviceEngine:
    """Serves `Engine` without a word between host and device until a search is over.

    A search has as many rows as there are environments to plan for, rounded up to a power of two; rows to spare are
    searched for nothing. So any subset of environments is served by few recordings.
    """

    name: EngineKind = "device"

    def __init__(
        self, network: SearchNetwork, store: ContextStore, search: SearchConfig, sampling: SamplingConfig
    ) -> None:
        """Make room for the readings of all roots. Nodes with `1 + A` slots are expanded with all actions in one pass.

        Raises:
            EngineError: if the store is no tree, or actions are continuous.
        """
        del sampling  # nothing is sampled among numbered actions
        if not isinstance(store, TreeStore):
            raise EngineError(
                f"the store is a {type(store).__name__}; only the tree store is read by indices on the device"
            )
        if network.source.spec.is_continuous:
            raise EngineError("actions are continuous; searches on the device know numbered actions")
        self.store = store
        self._network = network
        self._search = search
        self._make_memory = choose_memory(network.current, store)
        self._everyone = np.arange(store.num_envs)
        self._num_actions = network.current.spec.num_actions
        self._device = store.memory.arena.device
        with torch.inference_mode(mode=False):  # written to in every mode
            self._readings = RootReading(
                torch.zeros(store.num_envs, device=self._device),
                torch.zeros(store.num_envs, self._num_actions, device=self._device),
            )
        self._searches: dict[int, _SizedSearch] = {}
        self._recordings = Recordings(choose_recorder(self._device))

    @torch.inference_mode()
    def extend(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        actions: Shaped[np.ndarray, "env *action"],
    ) -> None:
        """Move each root on by the action taken and the observation seen next."""
        self.keep(envs, extend_roots(self._network, self.store, envs, observations, actions))

    @torch.inference_mode()
    def rebuild(self, envs: Int[np.ndarray, " env"], past: Past, lengths: Int[np.ndarray, " env"]) -> None:
        """Replace each root by that of a sequence."""
        self.keep(envs, rebuild_roots(self._network, self.store, envs, past, lengths))

    @torch.inference_mode()
    def rebuild_along(self, envs: Int[np.ndarray, " env"], past: Past, is_root: Bool[np.ndarray, "chunk time"]) -> None:
        """Replace each root by that of one marked observation."""
        self.keep(envs, rebuild_along(self._network, self.store, envs, past, is_root))

    def readings(self, envs: Int[np.ndarray, " env"]) -> RootReading:
        """Return what the network said of the newest observation at each root, on the device."""
        rows = torch.from_numpy(envs.copy()).to(self._device)
        return RootReading(self._readings.values[rows], self._readings.policy_logits[rows])

    def keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        """Take in what the network says of the newest observations of these environments; it stays on the device."""
        rows = torch.from_numpy(envs.copy()).to(self._device, non_blocking=True)
        self._readings.values[rows] = reading.values.to(self._device, torch.float32)
        self._readings.policy_logits[rows] = reading.policy_logits.to(self._device, torch.float32)

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on; nothing is recorded anew."""
        self._search = replace(self._search, discount=discount)
        for sized in self._searches.values():
            sized.search.set_discount(discount)

    @torch.inference_mode()
    def search(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None = None,
    ) -> Outcome:
        """Search below each root, and wait for the device once."""
        network, sized = self._network.current, self._sized(len(envs))
        longest = int(self.store.lengths(self._everyone).max())
        network.transformer.positions.reserve(longest + 2 * self._search.num_simulations)
        sized.memory.rows.begin(envs, self._network.source.version)
        rows = sized.memory.rows.envs
        readings = self._readings
        sized.search.load(readings.policy_logits[rows], readings.values[rows], action_masks, rng=rng)
        self._recordings.run(
            len(rows),
            lambda: sized.search.run(sized.memory.begin(network)),
            reads=[*network.tensors(), *self._memory()],
        )
        return sized.search.read(len(envs), rng=rng, temperature=temperature)

    def _sized(self, num_asked: int) -> _SizedSearch:
        """Return the search of the smallest size that fits."""
        num_rows = min(1 << (num_asked - 1).bit_length(), len(self._everyone))
        if num_rows not in self._searches:
            self._searches[num_rows] = _SizedSearch(
                self._make_memory(self.store, num_rows),
                DeviceSearch(num_rows, self._num_actions, self._search, device=self._device),
            )
        return self._searches[num_rows]

    def _memory(self) -> tuple[Tensor, Tensor]:
        return self.store.memory.arena, self.store.memory.table
