"""How a search that stays on the device evaluates its new nodes: in two passes of the network, or in one."""

from typing import Protocol, runtime_checkable

import torch

from kvzero.cache import OnePassContexts, StaticRows, StaticTreeContexts, TreeStore
from kvzero.model import ActionReadings, Expansion, Network, NodeStepper, OnePassStepper, lay_out_pass
from kvzero.search import DeviceEvaluation, DeviceExpander, DeviceLeaves

__all__ = ["ExpanderMemory", "Forecasts", "OnePassMemory", "TwoPassMemory"]


@runtime_checkable  # the shape checks of the test session ask isinstance
class ExpanderMemory(Protocol):
    """What the expanders of one search after another work on; it is allocated once."""

    @property
    def rows(self) -> StaticRows:
        """Which environments a search is for."""

    def begin(self, network: Network) -> DeviceExpander:
        """Return what evaluates the nodes below `rows`; with all that it does, this can be recorded.

        The table of positions must cover those of the whole search.
        """


class TwoPassMemory:
    """For expanders that pass the token of one action, then the latent which it predicts."""

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        self.contexts = StaticTreeContexts(store, num_rows)

    @property
    def rows(self) -> StaticRows:
        """Which environments a search is for."""
        return self.contexts.rows

    def begin(self, network: Network) -> "TwoPassExpander":
        """Look up the network's weights."""
        return TwoPassExpander(network, self.contexts)


class TwoPassExpander:
    """Evaluates one new node per row by passing two tokens against its parent's cached context."""

    def __init__(self, network: Network, contexts: StaticTreeContexts) -> None:
        self._step = NodeStepper(network)
        self._contexts = contexts

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        """Evaluate node `leaves.node` of every row and keep its keys and values."""
        latents = self._contexts.rows.latent_positions(leaves.depths)
        window = self._contexts.read(leaves.parents)
        expansion = self._step(leaves.actions, torch.stack([latents - 1, latents], dim=1), window)
        self._contexts.write(leaves.node)
        return _as_evaluation(expansion)


class Forecasts:
    """What every action at every node of a search leads to, kept until the search goes there."""

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        memory, device = store.memory, store.memory.arena.device
        edges = (num_rows, memory.num_nodes, memory.tokens_per_node - 1)
        with torch.inference_mode(mode=False):  # written to in every mode
            self.rewards = torch.zeros(edges, device=device)
            self.latents = torch.zeros(*edges, store.layout.embed_dim, device=device, dtype=memory.arena.dtype)


class OnePassMemory:
    """For expanders that pass the latent of a new node together with all actions there."""

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        self.contexts = OnePassContexts(store, num_rows)
        self.forecasts = Forecasts(store, num_rows)
        _, num_nodes, num_actions = self.forecasts.rewards.shape
        device = store.memory.arena.device
        with torch.inference_mode(mode=False):  # read in every mode
            self.layout = lay_out_pass(store.layout.context_tokens, num_actions, device=device)
            self.first_edges = torch.arange(num_rows, device=device) * (num_nodes * num_actions)

    @property
    def rows(self) -> StaticRows:
        """Which environments a search is for."""
        return self.contexts.rows

    def begin(self, network: Network) -> "OnePassExpander":
        """Look up the network's weights and evaluate the actions at the roots."""
        expander = OnePassExpander(network, self)
        expander.forecast_roots()
        return expander


class OnePassExpander:
    """Looks up what led to one new node per row, and evaluates all actions there."""

    def __init__(self, network: Network, memory: OnePassMemory) -> None:
        self._step = OnePassStepper(network, memory.layout)
        self._contexts = memory.contexts
        self._forecasts = memory.forecasts
        self._first_edges = memory.first_edges

    def forecast_roots(self) -> None:
        """Evaluate all actions at the roots, and keep their keys and values."""
        found = self._step.expand_roots(self._contexts.rows.lengths - 1, self._contexts.read_roots())
        self._contexts.write_roots()
        self._keep(0, found)

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        """Evaluate node `leaves.node` of every row and keep the keys and values of its latent and its actions."""
        return _as_evaluation(self.look_up(leaves))

    def look_up(self, leaves: DeviceLeaves) -> Expansion:
        """Return what is said of the new nodes, of which their parents said the rewards and latents in advance."""
        forecasts, contexts = self._forecasts, self._contexts
        edges = self._first_edges + leaves.parents * forecasts.rewards.shape[2] + leaves.actions
        rewards = forecasts.rewards.flatten().index_select(0, edges)
        latents = forecasts.latents.flatten(0, 2).index_select(0, edges)
        window = contexts.read(leaves.node, leaves.parents, leaves.actions)
        found = self._step(latents, contexts.rows.latent_positions(leaves.depths), window)
        contexts.write(leaves.node)
        self._keep(leaves.node, found.actions)
        return Expansion(rewards, found.values, found.policy_logits, latents)

    def _keep(self, node: int, found: ActionReadings) -> None:
        self._forecasts.rewards[:, node] = found.rewards
        self._forecasts.latents[:, node] = found.latents


def _as_evaluation(expansion: Expansion) -> DeviceEvaluation:
    return DeviceEvaluation(expansion.rewards.float(), expansion.values.float(), expansion.policy_logits.float())
