"""Finds, makes anew and keeps the contexts of a `WorldModel`, and knows what each of them is found by."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kvzero.cache import MISSING, NO_ACTION, ContextBatch, allocate_contexts, hash_state, make_keys, start_key
from kvzero.compat.unizero.caches import build_caches
from kvzero.compat.unizero.padded_contexts import NO_TOKENS, ContextRows, Handle
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.errors import ConfigError, StaleContextError
from kvzero.model import Network

__all__ = ["ROOT", "ContextKeeper"]

ROOT = 0
"""Number of a search's root; simulation `s` makes node `s + 1`."""


class ContextKeeper:
    """The caches of a world model, the handles of its roots, and those of the nodes of the search in progress."""

    def __init__(self, network: Network, config: TransformerConfig) -> None:
        """Make empty caches for contexts of `network`."""
        self._network = network
        self._layout = config.layout
        self.keys = make_keys(config.key_mode)
        self.levels, self.shown = build_caches(config, device=network.device, dtype=network.action_table.weight.dtype)
        self._version = network.version
        self._roots: dict[int, Handle] = {}
        self._nodes: dict[tuple[int, int], Handle] = {}  # by environment and node

    def notice_weights(self) -> None:
        """Forget all contexts if the weights have changed since they were made."""
        if self._network.version != self._version:
            self._version = self._network.version
            self.levels.clear()

    def begin_search(self) -> None:
        """Forget the nodes of the search before."""
        self.levels.clear_nodes()
        self._nodes.clear()

    def forget(self) -> None:
        """Forget everything."""
        self.levels.clear()
        self._roots.clear()
        self._nodes.clear()

    def forget_env(self, env: int) -> None:
        """Forget the episode of one environment and the nodes below its root."""
        self.levels.clear_roots(env)
        self._roots.pop(env, None)
        self._nodes = {place: handle for place, handle in self._nodes.items() if place[0] != env}

    def handles_alone(
        self, envs: Sequence[int], latents: Float[Tensor, "batch embed"], start_pos: Sequence[int]
    ) -> list[Handle]:
        """Return what latents without any past are found by; `start_pos` are the steps at which they were seen."""
        starts = [self._start(env, step) for env, step in zip(envs, start_pos, strict=True)]
        keys = self.keys.follow([start.key for start in starts], [NO_ACTION] * len(starts), latents)
        return [
            Handle(key, start.length + 2, hash_state(latent))
            for key, start, latent in zip(keys, starts, latents, strict=True)
        ]

    def handles_of_nodes(
        self, envs: Sequence[int], nodes: Sequence[int], latents: Float[Tensor, "batch embed"], start_pos: Sequence[int]
    ) -> list[Handle]:
        """Return what nodes of the search in progress are found by; a root that nobody has observed stands alone.

        Raises:
            StaleContextError: if a node is not of this search.
            ConfigError: if a node's latent is not the one that is given for it.
        """
        alone = self.handles_alone(envs, latents, start_pos)
        return [self._handle_of_node(env, node, default) for env, node, default in zip(envs, nodes, alone, strict=True)]

    def find(self, envs: list[int], handles: list[Handle], latents: Float[Tensor, "batch embed"] | None) -> ContextRows:
        """Return private copies of these contexts; those that are missing are begun anew from their latents alone.

        Raises:
            StaleContextError: if one is missing and no latents are given.
        """
        found = self._allocate(len(envs))
        self.levels.read(envs, [handle.key for handle in handles], found)
        missing = np.flatnonzero(found.sizes == MISSING).tolist()
        if missing and latents is None:
            raise StaleContextError(
                f"the contexts of environments {[envs[row] for row in missing]} are gone, because the weights changed "
                "or the caches were cleared; give obs, what was shown before, or action -1 to begin an episode"
            )
        if missing and latents is not None:
            self._generate(missing, handles, latents, into=found)
        return ContextRows(envs, handles, found)

    def roots_before(
        self,
        envs: list[int],
        actions: Sequence[int],
        latents: Float[Tensor, "batch embed"] | None,
        start_pos: Sequence[int],
    ) -> ContextRows:
        """Return the contexts that new observations are seen in: those of the roots before, or none.

        Raises:
            StaleContextError: if an episode goes on whose root is not known, or is gone and `latents` are not given.
        """
        going_on = [row for row, action in enumerate(actions) if action != NO_ACTION]
        for env, action in zip(envs, actions, strict=True):
            if action == NO_ACTION:
                self.forget_env(env)
        unknown = [envs[row] for row in going_on if envs[row] not in self._roots]
        if unknown:
            raise StaleContextError(
                f"environments {unknown} have no root that an action could follow; pass action -1 to begin an episode"
            )
        old = self.find(
            [envs[row] for row in going_on],
            [self._roots[envs[row]] for row in going_on],
            None if latents is None else latents[going_on],
        )
        handles = [self._start(env, step) for env, step in zip(envs, start_pos, strict=True)]
        for row, handle in zip(going_on, old.handles, strict=True):
            handles[row] = handle
        contexts = self._allocate(len(envs))
        contexts.put(torch.tensor(going_on, dtype=torch.long, device=self._network.device), old.batch)
        contexts.sizes[going_on] = old.batch.sizes
        return ContextRows(envs, handles, contexts)

    def remember(self, rows: ContextRows, *, node: int) -> None:
        """Know what these contexts are found by from now on."""
        for env, handle in zip(rows.envs, rows.handles, strict=True):
            if node == ROOT:
                self._roots[env] = handle
            else:
                self._nodes[env, node] = handle

    def keep(self, rows: ContextRows, *, node: int) -> None:
        """Store copies of these contexts."""
        keys = [handle.key for handle in rows.handles]
        if node == ROOT:
            self.levels.write_roots(rows.envs, keys, rows.batch)
        else:
            self.levels.write_nodes(keys, rows.batch)

    def _start(self, env: int, step: int) -> Handle:
        """Return the handle that an episode's first latent follows; learned positions do not count steps."""
        step = 0 if self._layout.is_sliding else step
        return Handle(start_key(env, self._version, step), 2 * step + NO_TOKENS, 0)

    def _handle_of_node(self, env: int, node: int, alone: Handle) -> Handle:
        handle = self._roots.get(env, alone) if node == ROOT else self._nodes.get((env, node))
        if handle is None:
            raise StaleContextError(
                f"environment {env} has no node {node} in this search; node 0 is the root, and simulation s makes "
                "node s + 1"
            )
        if handle.latent != alone.latent:
            raise ConfigError(
                f"node {node} of environment {env} was continued with another latent than its own; give the "
                "latent_state that the inference which made it returned"
            )
        return handle

    def _generate(
        self,
        missing: list[int],
        handles: list[Handle],
        latents: Float[Tensor, "batch embed"],
        *,
        into: ContextBatch,
    ) -> None:
        """Make the contexts of latents alone in these rows of a batch."""
        began = perf_counter()
        tokens = latents[missing][:, None]
        lengths = [1 if self._layout.is_sliding else handles[row].length for row in missing]
        positions = torch.tensor(lengths, device=latents.device)[:, None] - 1
        self._network.transformer.positions.reserve(max(lengths))
        _, cache = self._network.transformer(tokens, positions)
        into.keys_values[missing, -1:] = torch.stack(cache, dim=2)
        if into.tokens is not None:
            into.tokens[missing, -1:] = tokens
        into.sizes[missing] = 1
        self.levels.count_regeneration(perf_counter() - began)

    def _allocate(self, number: int) -> ContextBatch:
        weights = self._network.action_table.weight
        return allocate_contexts(self._layout, number, weights.device, weights.dtype)
