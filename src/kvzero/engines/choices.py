"""What the action indices of a search stand for: numbered actions themselves, or actions drawn at each node."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Shaped
from torch import Tensor

from kvzero.engines.config import SamplingConfig
from kvzero.model import Drawing, read_gaussian
from kvzero.search import Leaves

__all__ = ["Choices", "NumberedActions", "SampledActions"]

EVALUATION_SEED = 0


@runtime_checkable  # the shape checks of the test session ask isinstance
class Choices(Protocol):
    """The actions that one search may take at each of its nodes."""

    def find(self, leaves: Leaves) -> Shaped[Tensor, "env *action"]:
        """Return the action that leads to each leaf, as the network reads it."""

    def offer(self, node: int, policies: Float[Tensor, "env policy"]) -> Float32[np.ndarray, "env action"]:
        """Take in what the policy head says at `node` of every tree; return the logits of the priors there."""

    def masks(self, action_masks: Bool[np.ndarray, "env action"]) -> Bool[np.ndarray, "env choice"]:
        """Return which choices are legal at the roots."""

    def sets(self) -> Float32[np.ndarray, "env node action dim"] | None:
        """Return what every choice at every node stands for; None where it is its own number."""

    @property
    def drawing(self) -> Drawing | None:
        """Where the native engine may draw the choices of new nodes itself; None where nothing is drawn."""


class NumberedActions:
    """The same numbered actions at every node."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def find(self, leaves: Leaves) -> Shaped[Tensor, "env *action"]:
        """Return the actions' numbers."""
        return torch.from_numpy(leaves.actions).to(self._device)

    def offer(self, node: int, policies: Float[Tensor, "env policy"]) -> Float32[np.ndarray, "env action"]:
        """Return the policy's logits."""
        del node  # all nodes have the same actions
        return policies.float().cpu().numpy()

    def masks(self, action_masks: Bool[np.ndarray, "env action"]) -> Bool[np.ndarray, "env choice"]:
        """Return the masks as they are."""
        return action_masks

    def sets(self) -> Float32[np.ndarray, "env node action dim"] | None:
        """Return nothing: a number needs no explanation."""
        return None

    @property
    def drawing(self) -> Drawing | None:
        """Return nothing: these choices are not drawn."""
        return None


class SampledActions:
    """K actions drawn at each node from the policy there (Hubert et al. 2021, Sampled MuZero).

    The prior of a drawn action is the paper's `(b / beta)(a) * pi(a)`, with `beta` the distribution that actions were
    drawn from and `b` the share of each among the draws. Below the root `beta` is the policy itself, and all priors are
    `1 / K`. At the root of a search that explores, `num_wide_actions` of the K are drawn from a Gaussian `wide_scale`
    times as wide, so that `beta` is a mixture of the two; priors are then `pi / beta`, normalised. Both densities are
    taken before the tanh, whose slope cancels, so the weights depend on the noise alone.

    Below the root all environments share one table of noise, which is drawn anew for each search; at the root each has
    its own. Without `rng` the noise is one fixed table for all environments and searches, the root included: what is
    drawn at a node depends on nothing but the node's number and the policy there. The first action at the root is then
    the policy's mean.
    """

    def __init__(
        self,
        config: SamplingConfig,
        *,
        num_envs: int,
        num_nodes: int,
        action_dim: int,
        device: torch.device,
        rng: np.random.Generator | None,
    ) -> None:
        """Draw the noise of all nodes."""
        shape = (num_nodes, config.num_sampled_actions, action_dim)
        if rng is None:
            noise = np.random.default_rng(EVALUATION_SEED).standard_normal(shape, np.float32)
            noise[0, 0] = 0.0
            root_noise = noise[:1]
            self._root_logits = np.zeros((num_envs, config.num_sampled_actions), np.float32)
        else:
            noise = rng.standard_normal(shape, np.float32)
            root_noise = rng.standard_normal((num_envs, *shape[1:]), np.float32)
            root_noise[:, config.num_sampled_actions - config.num_wide_actions :] *= config.wide_scale
            self._root_logits = _log_weights(root_noise, config)
        self._noise: Tensor = torch.from_numpy(noise).to(device)
        self._root_noise: Tensor = torch.from_numpy(root_noise).to(device).expand(num_envs, -1, -1)
        self._node_logits = np.zeros((num_envs, config.num_sampled_actions), np.float32)
        self._sets = torch.zeros(num_envs, *shape, device=device)
        self._flat = self._sets.view(-1, action_dim)
        self._first = np.arange(num_envs) * num_nodes

    def find(self, leaves: Leaves) -> Shaped[Tensor, "env *action"]:
        """Return the drawn actions."""
        places = (self._first + leaves.parents) * self._sets.shape[2] + leaves.actions
        return self._flat.index_select(0, torch.from_numpy(places).to(self._flat.device))

    def offer(self, node: int, policies: Float[Tensor, "env policy"]) -> Float32[np.ndarray, "env action"]:
        """Draw the actions of `node`; return the logarithms of their weights."""
        noise = self._noise[node].expand(len(policies), -1, -1) if node else self._root_noise
        self._sets[:, node] = read_gaussian(policies).draw(noise)
        return self._node_logits if node else self._root_logits

    def masks(self, action_masks: Bool[np.ndarray, "env action"]) -> Bool[np.ndarray, "env choice"]:
        """Allow all that was drawn."""
        del action_masks  # an environment with continuous actions has none
        return np.ones_like(self._root_logits, np.bool_)

    def sets(self) -> Float32[np.ndarray, "env node action dim"] | None:
        """Return all that was drawn, on the host."""
        return self._sets.cpu().numpy()

    @property
    def drawing(self) -> Drawing | None:
        """Return the noise and the memory of the actions."""
        return Drawing(self._noise, self._sets)


def _log_weights(
    distances: Float32[np.ndarray, "env action dim"], config: SamplingConfig
) -> Float32[np.ndarray, "env action"]:
    """Return `log pi / beta` of root actions that lie `distances` standard deviations from the policy's mean."""
    wide, share = config.wide_scale, config.num_wide_actions / config.num_sampled_actions
    ratios = 0.5 * np.square(distances.astype(np.float64)) * (1 - wide**-2) - np.log(wide)
    log_ratio = ratios.sum(-1)  # log of the wide density over the policy's
    if share == 0:
        return np.zeros_like(log_ratio, np.float32)
    logits: Float32[np.ndarray, "env action"] = -np.logaddexp(np.log1p(-share), np.log(share) + log_ratio)
    return logits.astype(np.float32)
