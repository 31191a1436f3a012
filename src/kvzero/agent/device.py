"""Planning on the network's device: a whole search is one piece of work there, recorded once and replayed."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kvzero.agent.graphs import Recordings, choose_recorder
from kvzero.agent.search_network import SearchNetwork
from kvzero.cache import StaticTreeContexts, TreeStore
from kvzero.model import Network, NodeStepper, RootReading
from kvzero.search import DeviceEvaluation, DeviceLeaves, DeviceSearch, Outcome, SearchConfig

__all__ = ["DeviceExpander", "DevicePlanner"]


class DeviceExpander:
    """Evaluates one new node per row by passing two tokens against its parent's cached context; asks no host."""

    def __init__(self, network: Network, contexts: StaticTreeContexts) -> None:
        """Look up the network's weights; the table of positions must cover all positions of the search."""
        self._step = NodeStepper(network)
        self._contexts = contexts

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        """Evaluate node `leaves.node` of every row and keep its keys and values."""
        latents = self._contexts.lengths - 1 + 2 * leaves.depths
        window = self._contexts.read(leaves.parents)
        expansion = self._step(leaves.actions, torch.stack([latents - 1, latents], dim=1), window)
        self._contexts.write(leaves.node)
        return DeviceEvaluation(expansion.rewards.float(), expansion.values.float(), expansion.policy_logits.float())


@dataclass(frozen=True, slots=True)
class _Room:
    """All that searches of one number of rows work on."""

    contexts: StaticTreeContexts
    search: DeviceSearch


class DevicePlanner:
    """Searches below the roots of a tree store without a word between host and device until a search is over.

    A search has as many rows as there are environments to plan for, rounded up to a power of two; rows to spare are
    searched for nothing. So any subset of environments is served by few recordings.
    """

    def __init__(
        self,
        network: SearchNetwork,
        store: TreeStore,
        config: SearchConfig,
        *,
        num_envs: int,
    ) -> None:
        """Make room for the readings of all roots."""
        self._network = network
        self._store = store
        self._config = config
        self._everyone = np.arange(num_envs)
        self._num_actions = network.current.spec.num_actions
        self._device = store.memory.arena.device
        with torch.inference_mode(mode=False):  # written to in every mode
            self.readings = RootReading(
                torch.zeros(num_envs, device=self._device),
                torch.zeros(num_envs, self._num_actions, device=self._device),
            )
        self._rooms: dict[int, _Room] = {}
        self._recordings = Recordings(choose_recorder(self._device))

    def keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        """Take in what the network says of the newest observations of these environments; it stays on the device."""
        rows = torch.from_numpy(envs.copy()).to(self._device, non_blocking=True)
        self.readings.values[rows] = reading.values.float()
        self.readings.policy_logits[rows] = reading.policy_logits.float()

    def search(
        self,
        envs: Int[np.ndarray, " env"],
        version: int,
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
    ) -> Outcome:
        """Search below the newest observations of these environments, as `kvzero.search.search` does.

        Raises:
            StaleContextError: if a root was made by other weights, or there is none.
            SearchError: if a number in a root or an evaluation is not finite, or a root has no legal action.
        """
        network, room = self._network.current, self._room(len(envs))
        longest = int(self._store.lengths(self._everyone).max())
        network.transformer.positions.reserve(longest + 2 * self._config.num_simulations)
        room.contexts.begin(envs, version)
        rows = room.contexts.envs
        room.search.load(self.readings.policy_logits[rows], self.readings.values[rows], action_masks, rng=rng)
        self._recordings.run(
            len(rows),
            lambda: room.search.run(DeviceExpander(network, room.contexts)),
            reads=[*network.parameters(), *network.buffers(), *self._memory()],
        )
        return room.search.read(len(envs))

    def _room(self, num_asked: int) -> _Room:
        """Return the room of the smallest size that fits."""
        num_rows = min(1 << (num_asked - 1).bit_length(), len(self._everyone))
        if num_rows not in self._rooms:
            self._rooms[num_rows] = _Room(
                StaticTreeContexts(self._store, num_rows),
                DeviceSearch(num_rows, self._num_actions, self._config, device=self._device),
            )
        return self._rooms[num_rows]

    def _memory(self) -> tuple[Tensor, Tensor]:
        return self._store.memory.arena, self._store.memory.table
