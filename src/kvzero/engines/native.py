"""The native engine: new tokens pass through machine code, straight from and to the tree store's memory."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped

from kvzero.cache import ContextStore, TreeMemory, TreeStore
from kvzero.engines.choices import Choices
from kvzero.engines.config import EngineKind, SamplingConfig
from kvzero.engines.engine import Past
from kvzero.engines.host_search import HostSearch
from kvzero.engines.roots import rebuild_along, rebuild_roots
from kvzero.engines.search_network import SearchNetwork
from kvzero.errors import EngineError
from kvzero.model import NativeNetwork, NativeSearch, RootReading
from kvzero.search import MachineCode, Outcome, SearchConfig

__all__ = ["NativeEngine", "NativeExpander"]

THREADS_LOCK = Lock()


class NativeEngine:
    """Serves `Engine` on CPUs; it takes in the network's weights when they change."""

    name: EngineKind = "native"

    def __init__(
        self, network: SearchNetwork, store: ContextStore, search: SearchConfig, sampling: SamplingConfig
    ) -> None:
        """Pack the weights in the number type of the search.

        Raises:
            EngineError: if the code cannot be compiled here, or cannot serve this network or this store.
        """
        if not isinstance(store, TreeStore):
            raise EngineError(
                f"the native engine works on the memory of the tree store, and this is a {type(store).__name__}; give "
                "store=tree, or engine=eager"
            )
        self.store = store
        self._network = network
        self._native = NativeNetwork(network.source, dtype=network.dtype, max_rows=store.num_envs)
        self._searches = HostSearch(network.source, search, sampling, num_envs=store.num_envs)
        self._everyone = set(range(store.num_envs))

    @torch.inference_mode()
    def extend(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        actions: Shaped[np.ndarray, "env *action"],
    ) -> None:
        """Move each root on by the action taken and the observation seen next.

        Vectors are encoded on one thread: PyTorch's others would go on spinning for milliseconds, as long as a search
        takes, on the cores that the engine's are about to use.

        Raises:
            ConfigError: if there is no such action.
            EngineError: if an environment is named twice, or there is none of that number.
            StaleContextError: if a root was made by other weights.
        """
        native, source = self._native, self._network.source
        source.check_actions(actions)
        self._refuse_rows(envs)
        version = source.version
        with nullcontext() if source.spec.is_image else _one_thread():
            latents = source.encode(torch.from_numpy(observations)).to(native.dtype)
        lengths = self.store.extend_in_place(envs, version)
        native.positions.reserve(int(lengths.max()) + 2)
        native.refresh(version)
        search = NativeSearch(native, self.store.memory, envs, lengths)
        values, logits = native.extend_roots(search, lengths, actions, latents)
        self._searches.keep(envs, RootReading(torch.from_numpy(values), torch.from_numpy(logits)))

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
        """Search below each root, as one piece of machine code.

        Raises:
            EngineError: if an environment is named twice, or there is none of that number; or the weights have become
                what the engine cannot serve.
            StaleContextError: if a root was made by other weights, or there is none.
            SearchError: if a number in a root or an evaluation is not finite, or a root has no legal action.
        """
        self._refuse_rows(envs)

        def open_expander(choices: Choices) -> NativeExpander:
            version = self._network.source.version
            self.store.begin_in_place(envs, version)
            positions = self.store.lengths(envs) - 1
            self._native.positions.reserve(int(positions.max()) + 2 * self._searches.config.num_simulations + 1)
            self._native.refresh(version)
            return NativeExpander(self._native, self.store.memory, envs, positions, choices)

        return self._searches.run(envs, action_masks, open_expander, rng=rng, temperature=temperature)

    def _refuse_rows(self, envs: Int[np.ndarray, " env"]) -> None:
        """Let each row be another environment that there is: machine code would write wherever any other leads."""
        named = envs.tolist()
        if len(set(named)) < len(named) or not set(named) <= self._everyone:
            raise EngineError(f"environments {named} were named; name each once, by 0 to {self.store.num_envs - 1}")


@dataclass(frozen=True)
class NativeExpander:
    """Evaluates new nodes in machine code, called from the machine code of the search."""

    native: NativeNetwork
    """The network's weights."""

    memory: TreeMemory
    """Where keys and values are; the store has begun the search."""

    envs: Int[np.ndarray, " env"]
    """Environments that are searched."""

    root_positions: Int[np.ndarray, " env"]
    """Indices of the roots' latent tokens."""

    choices: Choices
    """Actions that may be taken."""

    _search: NativeSearch = field(init=False)

    def __post_init__(self) -> None:
        search = NativeSearch(
            self.native, self.memory, self.envs, self.root_positions, drawing=self.choices.drawing
        )  # held here: the machine code is given its address
        object.__setattr__(self, "_search", search)

    @property
    def machine_code(self) -> MachineCode:
        """The engine's function, and this search as what it works on."""
        return MachineCode(self.native.expand_address, self._search.address)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread; one caller at a time, or the number before would be lost."""
    with THREADS_LOCK:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
