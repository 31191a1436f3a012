"""The native engine at work: new tokens pass through machine code, straight from and to the tree store's memory."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped
from torch import Tensor

from kvzero.agent.choices import Choices
from kvzero.cache import TreeStore
from kvzero.model import NativeEngine, NativeSearch, Network, RootReading
from kvzero.search import Evaluation, Leaves, MachineCode

__all__ = ["NativeExpander", "NativePath"]

THREADS_LOCK = Lock()


class NativePath:
    """Serves the planner's `Path` with the compiled engine; it takes in the network's weights when they change."""

    def __init__(self, network: Network, store: TreeStore, *, dtype: torch.dtype, max_rows: int) -> None:
        """Pack the weights in the number type of the search.

        Raises:
            EngineError: if the engine cannot be built here, or cannot serve this network.
        """
        self.engine = NativeEngine(network, dtype=dtype, max_rows=max_rows)
        self._store = store

    def encode(self, observations: Shaped[np.ndarray, "env ..."]) -> Float[Tensor, "env embed"]:
        """Return the latent token of each observation, in the number type of the search.

        Vectors are encoded on one thread: PyTorch's others would go on spinning for milliseconds, as long as a search
        takes, on the cores that the engine's are about to use.
        """
        network = self.engine.network
        with nullcontext() if network.spec.is_image else _one_thread():
            return network.encode(torch.from_numpy(observations)).to(self.engine.dtype)

    def extend_roots(
        self,
        envs: Int[np.ndarray, " env"],
        version: int,
        *,
        actions: Shaped[np.ndarray, "env *dim"],
        latents: Float[Tensor, "env embed"],
    ) -> RootReading:
        """Append the action taken and the latent seen next to each root, and read it."""
        lengths = self._store.extend_in_place(envs, version)
        self.engine.positions.reserve(int(lengths.max()) + 2)
        self.engine.refresh(version)
        search = NativeSearch(self.engine, self._store.memory, envs, lengths)
        values, logits = self.engine.extend_roots(search, lengths, actions, latents)
        return RootReading(torch.from_numpy(values), torch.from_numpy(logits))

    def begin_search(
        self, envs: Int[np.ndarray, " env"], version: int, num_simulations: int, choices: Choices
    ) -> "NativeExpander":
        """Open a search among `choices` below the roots of these environments."""
        self._store.begin_in_place(envs, version)
        positions = self._store.lengths(envs) - 1
        self.engine.positions.reserve(int(positions.max()) + 2 * num_simulations + 1)
        self.engine.refresh(version)
        return NativeExpander(self.engine, self._store, envs, positions, choices)


class NativeExpander:
    """Evaluates new nodes in machine code, called from machine code (`machine_code`) or from Python (`expand`)."""

    def __init__(
        self,
        engine: NativeEngine,
        store: TreeStore,
        envs: Int[np.ndarray, " env"],
        root_positions: Int[np.ndarray, " env"],
        choices: Choices,
    ) -> None:
        """Prepare a search that the store has begun below roots whose latent tokens have these indices."""
        self.choices = choices
        self._engine = engine
        self._store = store
        self._envs, self._root_positions = envs, root_positions
        self._search = NativeSearch(engine, store.memory, envs, root_positions, drawing=choices.drawing)

    @property
    def machine_code(self) -> MachineCode:
        """The engine's function, and this search as what it works on."""
        return MachineCode(self._engine.expand_address, self._search.address)

    def expand(self, leaves: Leaves) -> Evaluation:
        """Evaluate node `leaves.node` of every environment and keep its keys and values."""
        return self.expand_openly(leaves)[0]

    def expand_openly(
        self, leaves: Leaves
    ) -> tuple[Evaluation, Float32[np.ndarray, "env embed"], Float32[np.ndarray, "env policy"]]:
        """Do what `expand` does; return latents and the policy head's numbers too, which the search has no use for."""
        network, num_envs, drawing = self._engine.network, len(self._envs), self.choices.drawing
        latents = np.empty((num_envs, network.config.embed_dim), np.float32)
        policies = np.empty((num_envs, network.policy_size), np.float32)
        search = NativeSearch(
            self._engine,
            self._store.memory,
            self._envs,
            self._root_positions,
            drawing=drawing,
            latents=latents,
            policies=policies,
        )
        num_choices = network.spec.num_actions if drawing is None else drawing.sets.shape[2]
        evaluation = Evaluation(
            np.empty(num_envs, np.float32),
            np.empty(num_envs, np.float32),
            np.empty((num_envs, num_choices), np.float32),
        )
        # One number per environment: for the function, column `node` of trees that have room for one node only.
        columns = [numbers.ctypes.data - 8 * leaves.node for numbers in (leaves.parents, leaves.actions, leaves.depths)]
        answers = [numbers.ctypes.data for numbers in (evaluation.rewards, evaluation.values, evaluation.logits)]
        self._engine.expand(search, num_envs, 1, leaves.node, *columns, *answers)
        return evaluation, latents, evaluation.logits if drawing is None else policies


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
