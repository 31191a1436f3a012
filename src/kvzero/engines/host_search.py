"""Searches whose trees lie in host memory: what the network says of the roots, and the search below them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int

from kvzero.engines.choices import Choices, NumberedActions, SampledActions
from kvzero.engines.config import SamplingConfig
from kvzero.model import Network, RootReading
from kvzero.search import CompiledExpander, Expander, Outcome, Roots, SearchConfig, search

__all__ = ["HostSearch"]


class HostSearch:
    """Keeps what was read at every root, and searches below some of them with an expander that an engine opens."""

    def __init__(self, network: Network, search: SearchConfig, sampling: SamplingConfig, *, num_envs: int) -> None:
        self.config = search
        self._network = network
        self._sampling = sampling
        self._values = np.zeros(num_envs, np.float32)
        self._logits = np.zeros((num_envs, network.policy_size), np.float32)

    def keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        """Take in what the network says of the newest observations of these environments."""
        self._values[envs] = reading.values.float().cpu().numpy()
        self._logits[envs] = reading.policy_logits.float().cpu().numpy()

    def readings(self, envs: Int[np.ndarray, " env"]) -> RootReading:
        """Return what was taken in, as copies."""
        return RootReading(torch.from_numpy(self._values[envs]), torch.from_numpy(self._logits[envs]))

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on."""
        self.config = replace(self.config, discount=discount)

    def run(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        open_expander: Callable[[Choices], Expander | CompiledExpander],
        *,
        rng: np.random.Generator | None,
        temperature: float | None,
    ) -> Outcome:
        """Search; `open_expander` is given the actions to choose among, and returns who evaluates nodes."""
        choices = self._draw_choices(len(envs), rng)
        reading = self.readings(envs)
        logits = choices.offer(0, reading.policy_logits.to(self._network.device))
        roots = Roots(logits, reading.values.numpy(), choices.masks(action_masks))
        outcome = search(roots, open_expander(choices), self.config, rng=rng, temperature=temperature)
        return replace(outcome, action_sets=choices.sets())

    def _draw_choices(self, num_envs: int, rng: np.random.Generator | None) -> Choices:
        spec, device = self._network.spec, self._network.device
        if not spec.is_continuous:
            return NumberedActions(device)
        return SampledActions(
            self._sampling,
            num_envs=num_envs,
            num_nodes=self.config.num_simulations + 1,
            action_dim=spec.action_dim,
            device=device,
            rng=rng,
        )
