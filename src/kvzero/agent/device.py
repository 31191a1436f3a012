"""Planning on the network's device: a whole search is one piece of work there, recorded once and replayed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kvzero.agent.device_expanders import ExpanderMemory, OnePassMemory, TwoPassMemory
from kvzero.agent.graphs import Recordings, choose_recorder
from kvzero.agent.search_network import SearchNetwork
from kvzero.cache import TreeStore
from kvzero.model import Network, RootReading
from kvzero.search import DeviceSearch, Outcome, SearchConfig

__all__ = ["DevicePlanner"]


@dataclass(frozen=True, slots=True)
class _Room:
    """All that searches of one number of rows work on."""

    memory: ExpanderMemory
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
        is_one_pass: bool = False,
    ) -> None:
        """Make room for the readings of all roots; with `is_one_pass` the store has `1 + A` slots to a node."""
        self._network = network
        self._store = store
        self._config = config
        self._make_memory: Callable[[TreeStore, int], ExpanderMemory] = TwoPassMemory
        if is_one_pass:
            self._make_memory = choose_one_pass(network.current, store)
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
        room.memory.rows.begin(envs, version)
        rows = room.memory.rows.envs
        room.search.load(self.readings.policy_logits[rows], self.readings.values[rows], action_masks, rng=rng)
        self._recordings.run(
            len(rows),
            lambda: room.search.run(room.memory.begin(network)),
            reads=[*network.parameters(), *network.buffers(), *self._memory()],
        )
        return room.search.read(len(envs))

    def _room(self, num_asked: int) -> _Room:
        """Return the room of the smallest size that fits."""
        num_rows = min(1 << (num_asked - 1).bit_length(), len(self._everyone))
        if num_rows not in self._rooms:
            self._rooms[num_rows] = _Room(
                self._make_memory(self._store, num_rows),
                DeviceSearch(num_rows, self._num_actions, self._config, device=self._device),
            )
        return self._rooms[num_rows]

    def _memory(self) -> tuple[Tensor, Tensor]:
        return self._store.memory.arena, self._store.memory.table


def choose_one_pass(network: Network, store: TreeStore) -> Callable[[TreeStore, int], ExpanderMemory]:
    """Return what expands nodes in one pass where the network is: with kernels on a GPU, if there is a Triton."""
    if network.device.type == "cuda" and find_spec("triton") is not None:
        from kvzero.agent.fused_one_pass import try_fused_memory  # noqa: PLC0415  # optional

        with torch.cuda.device(network.device):
            return try_fused_memory(network, store)
    return OnePassMemory
