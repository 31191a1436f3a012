"""The obvious store: per environment a Python list of tokens, per node a copy of its parent's list and two more."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kvzero.cache import ContextLayout, TreeStore, Window

LAYOUT = ContextLayout(num_layers=2, num_heads=3, head_dim=5, context_tokens=4)
NUM_ENVS = 6
NUM_SIMULATIONS = 7


def new_store(layout: ContextLayout = LAYOUT, **sizes) -> TreeStore:
    counts = {"num_envs": NUM_ENVS, "num_simulations": NUM_SIMULATIONS} | sizes
    return TreeStore(layout, **counts, device=torch.device("cpu"))


@dataclass
class Mill:
    """Makes tokens no two of which are alike, and grinds them into a store."""

    store: TreeStore
    layout: ContextLayout = LAYOUT
    made: int = 0

    def tokens(self, batch: int, number: int) -> Tensor:
        """Return new keys and values."""
        size = batch * number * int(np.prod(self.layout.token_shape))
        self.made += size
        # Below 2**24 every integer is a float32.
        return torch.arange(self.made - size, self.made).float().view(batch, number, *self.layout.token_shape)

    def latents(self, batch: int) -> Tensor:
        return torch.zeros(batch, self.layout.num_heads * self.layout.head_dim)

    def extend(self, envs: np.ndarray, version: int) -> Tensor:
        """Add a step to roots; return its two tokens."""
        window = self.store.read_roots(envs, version)
        window.keys_values[:, -2:] = new = self.tokens(len(envs), 2)
        self.store.extend_roots(envs, version, latents=self.latents(len(envs)), window=window)
        return new

    def replace(self, envs: np.ndarray, version: int, *, lengths: np.ndarray, number: int) -> Tensor:
        """Replace roots by the end of a pass over `number` tokens; return them all."""
        new = self.tokens(len(envs), number)
        self.store.replace_roots(
            envs, version, lengths=lengths, latents=self.latents(len(envs)), keys_values=new.clone()
        )
        return new

    def write(self, contexts, node: int, window: Window) -> Tensor:
        """Fill a window as the network does and keep it as that of `node`; return its two tokens."""
        batch = len(window.keys_values)
        window.keys_values[:, -2:] = new = self.tokens(batch, 2)
        actions = torch.zeros(batch, dtype=torch.int64)
        contexts.write(node, actions=actions, latents=self.latents(batch), window=window)
        return new


@dataclass
class Twin:
    """What a store should hold."""

    roots: list[list[Tensor]] = field(default_factory=lambda: [[] for _ in range(NUM_ENVS)])
    context_tokens: int = LAYOUT.context_tokens

    def extend(self, envs: np.ndarray, new: Tensor) -> None:
        for row, env in enumerate(envs):
            first = 0 if self.roots[env] else 1  # no action comes before the first observation
            self.roots[env] = self.roots[env] + list(new[row, first:])

    def replace(self, envs: np.ndarray, new: Tensor, lengths: np.ndarray) -> None:
        for row, env in enumerate(envs):
            held = list(new[row])[-lengths[row] :]
            forgotten = [torch.full_like(held[0], torch.nan)] * (lengths[row] - len(held))
            self.roots[env] = forgotten + held

    def reset(self, envs: np.ndarray) -> None:
        for env in envs:
            self.roots[env] = []

    def length(self, env: int) -> int:
        return len(self.roots[env]) or -1

    def check(self, window: Window, paths: list[list[Tensor]]) -> None:
        """Hold the context places of a window against the last tokens of paths."""
        context = self.context_tokens
        assert window.keys_values.shape == (len(paths), context + 2, *LAYOUT.token_shape)
        assert window.is_valid is None or window.is_valid.shape == (len(paths), context + 2)
        for row, path in enumerate(paths):
            newest = path[-context:]
            is_valid = [False] * (context - len(newest)) + [True] * len(newest)
            marks = [True] * context if window.is_valid is None else window.is_valid[row, :context].tolist()
            assert marks == is_valid
            if newest:
                assert torch.equal(window.keys_values[row, context - len(newest) : context], torch.stack(newest))
