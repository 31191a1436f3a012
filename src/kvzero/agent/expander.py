"""What the search asks of a model, answered by the network through the cache."""

import numpy as np
import torch
from jaxtyping import Int

from kvzero.agent.choices import Choices
from kvzero.cache import SearchContexts
from kvzero.model import Network, NodeStepper
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
        network.transformer.rotary.reserve(int(root_positions.max()) + 2 * num_simulations + 1)
        self._device = network.device
        self._step = NodeStepper(network)
        self._contexts = contexts
        self._choices = choices
        self._root_positions = root_positions[:, None] + np.array([-1, 0])

    def expand(self, leaves: Leaves) -> Evaluation:
        """Evaluate node `leaves.node` of every environment and keep its keys and values."""
        positions = torch.from_numpy(self._root_positions + 2 * leaves.depths[:, None]).to(self._device)
        actions = self._choices.find(leaves)
        window = self._contexts.read(leaves.parents)
        expansion = self._step(actions, positions, window)
        self._contexts.write(leaves.node, actions=actions, latents=expansion.latents, window=window)
        return Evaluation(
            expansion.rewards.float().cpu().numpy(),
            expansion.values.float().cpu().numpy(),
            self._choices.offer(leaves.node, expansion.policy_logits),
        )
