"""kvzero's own search of a shape."""

import time

import numpy as np
import torch
from torch import nn

from kvzero.agent import Planner
from kvzero.bench.config import SearchBench
from kvzero.model import Network, choose_device

__all__ = ["OwnSearch", "random_network"]


def random_network(config: SearchBench) -> Network:
    """Return a float32 network of the shape, with new weights."""
    torch.manual_seed(config.seed)
    network = Network(config.agent.model, config.spec)
    if config.random_heads:
        for head in (network.action_head, network.latent_head):
            for last in (head.first, head.second):
                nn.init.normal_(last.weight, std=last.in_features**-0.5)
    return network


class OwnSearch:
    """Observes and plans with random weights, for environments whose episodes fill the context."""

    def __init__(self, config: SearchBench) -> None:
        """Build a planner, and let it observe until its context is full."""
        self._spec = config.spec
        network = random_network(config).to(choose_device(config.device))
        self._planner = Planner(network, config.agent, num_envs=config.num_envs)
        self._rng = np.random.default_rng(config.seed)
        self._everyone = np.arange(config.num_envs)
        self._masks = np.ones((config.num_envs, self._spec.num_actions), bool)
        self._is_cuda = network.device.type == "cuda"
        self.step_seconds: list[float] = []
        """Seconds of each observation and search together."""
        for step in range(config.context_tokens // 2 + 1):
            self._observe(is_first=step == 0)

    @property
    def engine(self) -> str:
        """What computes the search."""
        return self._planner.engine.name

    @property
    def kv_bytes(self) -> int:
        """Bytes held for keys and values."""
        return self._planner.store.nbytes

    def search(self) -> float:
        """Observe, then search once; return the seconds that the search took."""
        before = time.perf_counter()
        self._observe()
        if self._is_cuda:  # else the search would begin with waiting for what was observed
            torch.cuda.synchronize()
        observed = time.perf_counter()
        self._planner.plan(self._everyone, self._masks, rng=self._rng)
        after = time.perf_counter()
        self.step_seconds.append(after - before)
        return after - observed

    def _observe(self, *, is_first: bool = False) -> None:
        num_envs = len(self._everyone)
        self._planner.observe(
            self._everyone,
            self._rng.normal(size=(num_envs, *self._spec.observation_shape)).astype(np.float32),
            actions=self._act(num_envs),
            starts=np.full(num_envs, is_first),
        )

    def _act(self, num_envs: int) -> np.ndarray:
        """Return random actions."""
        if self._spec.is_continuous:
            return self._rng.uniform(-1, 1, (num_envs, self._spec.action_dim)).astype(np.float32)
        return self._rng.integers(self._spec.num_actions, size=num_envs)
