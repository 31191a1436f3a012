"""What the search asks of a model, answered by the network through the cache."""

import numpy as np
import torch
from jaxtyping import Int

from kvzero.cache import SearchContexts
from kvzero.engines.choices import Choices
from kvzero.model import Network, build_stepper
from kvzero.search import Evaluation, Leaves

__all__ = ["CachedExpander"]


class CachedExpander:
    """Evaluates one new node per environment by passing two tokens against its parent's cached context."""

    def __init__(
        self,
        network: Network,
        contexts: SearchContexts,
        root_positions: Int[np.ndarray, " env"],
        num_simulations: int,
        choices: Choices,
    ) -> None:
        """Prepare a search among `choices` below roots whose latent tokens have the indices `root_positions`."""
        lengths = root_positions[:, None] + 1 + 2 * np.arange(num_simulations)  # of the parents, by their depths
        first = network.config.layout.next_positions(lengths)
        network.transformer.positions.reserve(int(first.max()) + 2)
        self._device = network.device
        self._step = build_stepper(network)
        self._contexts = contexts
        self._choices = choices
        self._positions = first[:, :, None] + np.array([0, 1])  # [env, depth, token]
        self._rows = np.arange(len(root_positions))

    def expand(self, leaves: Leaves) -> Evaluation:
        """Evaluate node `leaves.node` of every environment and keep its keys and values."""
        positions = torch.from_numpy(self._positions[self._rows, leaves.depths - 1]).to(self._device)
        actions = self._choices.find(leaves)
        window = self._contexts.read(leaves.parents)
        expansion = self._step(actions, positions, window)
        self._contexts.write(leaves.node, actions=actions, latents=expansion.latents, window=window)
        return Evaluation(
            expansion.rewards.float().cpu().numpy(),
            expansion.values.float().cpu().numpy(),
            self._choices.offer(leaves.node, expansion.policy_logits),
        )
