"""Finds, makes anew and keeps the contexts of a `WorldModel`."""

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kvzero.cache import MISSING, NO_ACTION, ContextBatch, ContextLevels, allocate_contexts, make_keys
from kvzero.compat.unizero.caches import ManagedCaches, build_caches
from kvzero.compat.unizero.handles import Handles
from kvzero.compat.unizero.inference import ROOT
from kvzero.compat.unizero.padded_contexts import ContextRows, Handle
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.errors import ConfigError, StaleContextError
from kvzero.model import Network

__all__ = ["ContextKeeper"]

_log = logging.getLogger(__name__)


class ContextKeeper:
    """The caches of a world model, and what their contexts are found by."""

    def __init__(self, network: Network, config: TransformerConfig) -> None:
        """Make empty caches for contexts of `network`."""
        self._network = network
        self._layout = config.layout
        self.handles = Handles(make_keys(config.key_mode), is_sliding=self._layout.is_sliding)
        self.caches = build_caches(config, device=network.device, dtype=network.action_table.weight.dtype)
        self._version: int | None = network.version
        self._made_by: bytes | None = None  # the digest of what made the contexts, where no version tells

    def __getstate__(self) -> dict[str, Any]:
        """Let a digest say what made the contexts: a copy counts versions from elsewhere."""
        is_current = self._version == self._network.version
        return self.__dict__ | {
            "_version": None,
            "_made_by": self._network.digest if is_current else self._made_by,
        }

    @property
    def levels(self) -> ContextLevels:
        """Where the contexts are."""
        return self.caches.levels

    def assign(self, name: str, value: object) -> None:
        """Take what a user assigns to a name of the caches; with another manager, episodes have to begin anew.

        Raises:
            ConfigError: if that would have no effect, or does not fit.
            StaleContextError: if a manager holds contexts that were not made by these weights.
        """
        if not self.caches.shows(name):
            raise ConfigError(
                f"{name} was assigned to a model whose contexts are kept otherwise, where it would have no effect; "
                f"build one with use_new_cache_manager={not isinstance(self.caches, ManagedCaches)}"
            )
        if isinstance(self.caches, ManagedCaches):
            self.notice_weights()
            self.caches.use(value, digest=self._network.digest)
            self.handles.forget()
        else:
            self.caches.assign(name, value)

    def renew(self) -> None:
        """Begin with empty caches where the network is now, for numbers of the type that it has now."""
        self.caches = self.caches.renewed(device=self._network.device, dtype=self._network.action_table.weight.dtype)
        self.handles.forget_latents()
        self.handles.forget_nodes()

    def notice_weights(self) -> None:
        """Forget all contexts if the weights have changed since they were made."""
        version = self._network.version
        if version != self._version and self._network.digest != self._made_by:
            self.levels.clear()
            self.handles.forget_latents()
        self._version, self._made_by = version, None

    def begin_search(self) -> None:
        """Forget the nodes of the search before."""
        self.levels.clear_nodes()
        self.handles.forget_nodes()

    def forget(self) -> None:
        """Forget everything."""
        self.levels.clear()
        self.handles.forget()

    def forget_env(self, env: int) -> None:
        """Forget the episode of one environment and the nodes below its root."""
        self.levels.clear_roots(env)
        self.handles.forget_env(env)

    def handles_of_latents(
        self, envs: Sequence[int], latents: Float[Tensor, "batch embed"], start_pos: Sequence[int]
    ) -> list[Handle]:
        """Return what contexts are found by of which nothing is known but their newest latents."""
        alone = self._alone(envs, latents, start_pos)
        return [
            self.handles.of_latent(env, each, latent, is_held=self.levels.holds)
            for env, each, latent in zip(envs, alone, latents, strict=True)
        ]

    def handles_of_nodes(
        self, envs: Sequence[int], nodes: Sequence[int], latents: Float[Tensor, "batch embed"], start_pos: Sequence[int]
    ) -> list[Handle]:
        """Return what nodes of the search in progress are found by; a root that nobody has observed stands alone.

        Raises:
            StaleContextError: if a node is not of this search.
            ConfigError: if a node's latent is not the one that is given for it.
        """
        alone = self._alone(envs, latents, start_pos)
        return [self.handles.of_node(env, node, each) for env, node, each in zip(envs, nodes, alone, strict=True)]

    def find(self, envs: list[int], handles: list[Handle], latents: Float[Tensor, "batch embed"] | None) -> ContextRows:
        """Return private copies of these contexts; those that are missing are begun anew from their latents alone.

        Raises:
            StaleContextError: if one is missing and no latents are given.
        """
        found = self.empty(len(envs))
        self.levels.read(envs, [handle.key for handle in handles], found)
        missing = np.flatnonzero(found.sizes == MISSING).tolist()
        for row in missing:
            _log.debug("environment %d has no context under key=%d", envs[row], handles[row].key)
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
        roots = {envs[row]: self.handles.root(envs[row]) for row in going_on}
        unknown = [env for env, handle in roots.items() if handle is None]
        if unknown:
            raise StaleContextError(
                f"environments {unknown} have no root that an action could follow; pass action -1 to begin an episode"
            )
        old = self.find(
            [envs[row] for row in going_on],
            [handle for handle in roots.values() if handle is not None],
            None if latents is None else latents[going_on],
        )
        handles = self._starts(envs, start_pos)
        for row, handle in zip(going_on, old.handles, strict=True):
            handles[row] = handle
        contexts = self.empty(len(envs))
        contexts.put(torch.tensor(going_on, dtype=torch.long, device=self._network.device), old.batch)
        contexts.sizes[going_on] = old.batch.sizes
        return ContextRows(envs, handles, contexts)

    def keep(self, rows: ContextRows, *, node: int) -> None:
        """Store copies of these contexts."""
        keys = [handle.key for handle in rows.handles]
        if node == ROOT:
            self.levels.write_roots(rows.envs, keys, rows.batch)
        else:
            self.levels.write_nodes(keys, rows.batch)

    def empty(self, number: int) -> ContextBatch:
        """Return contexts without a token."""
        weights = self._network.action_table.weight
        return allocate_contexts(self._layout, number, weights.device, weights.dtype)

    def _starts(self, envs: Sequence[int], start_pos: Sequence[int]) -> list[Handle]:
        digest = self._network.digest
        return [self.handles.start(env, digest, step) for env, step in zip(envs, start_pos, strict=True)]

    def _alone(
        self, envs: Sequence[int], latents: Float[Tensor, "batch embed"], start_pos: Sequence[int]
    ) -> list[Handle]:
        return self.handles.alone(self._starts(envs, start_pos), latents)

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
