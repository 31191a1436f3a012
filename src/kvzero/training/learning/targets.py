"""What the network should have said: n-step returns, visit policies, EMA latents and the masks of what counts."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.model import Network
from kvzero.replay import Segments

__all__ = ["Targets", "Unroll", "make_targets", "n_step_returns", "window_steps"]


@dataclass(frozen=True, slots=True)
class Unroll:
    """Segments on the learner's device."""

    observations: Shaped[Tensor, "batch window ..."]
    actions: Shaped[Tensor, "batch window *dim"]
    rewards: Float[Tensor, "batch window"]
    policies: Float[Tensor, "batch window action"]
    ends: Int[Tensor, " batch"]
    terminated: Bool[Tensor, " batch"]
    weights: Float[Tensor, " batch"]
    action_sets: Float[Tensor, "batch window action *dim"] | None = None
    """The continuous actions that the policies are over; None for numbered actions."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of every unroll step, and which of them count."""

    latents: Float[Tensor, "batch time embed"]
    rewards: Float[Tensor, "batch time"]
    values: Float[Tensor, "batch time"]
    policies: Float[Tensor, "batch time action"]
    is_real: Bool[Tensor, "batch time"]
    """The step was taken: its policy counts."""
    is_known: Bool[Tensor, "batch time"]
    """The step was taken, or comes after a true termination, where reward and value are 0 and nothing changes."""
    action_sets: Float[Tensor, "batch time action *dim"] | None
    """The continuous actions that the policies are over; None for numbered actions."""


def window_steps(unroll_steps: int, bootstrap_steps: int) -> int:
    """Return how many steps a window needs, so that the last unroll step finds its bootstrap value."""
    return unroll_steps - 1 + bootstrap_steps


def to_device(segments: Segments, device: torch.device) -> Unroll:
    """Return sampled segments as tensors."""

    def place(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    return Unroll(
        observations=place(segments.observations),
        actions=place(segments.actions),
        rewards=place(segments.rewards),
        policies=place(segments.policies),
        action_sets=None if segments.action_sets is None else place(segments.action_sets),
        ends=place(segments.ends),
        terminated=place(segments.terminated),
        weights=place(segments.weights),
    )


def n_step_returns(
    unroll: Unroll, values: Float[Tensor, "batch window"], *, num_steps: int, bootstrap_steps: int, discount: float
) -> Float[Tensor, "batch time"]:
    """Return `sum_j g^j r_{k+j} + g^m v_{k+m}` for the first `num_steps` steps `k` (Sutton & Barto 2018, eq. 7.1).

    `m` is `bootstrap_steps`, or less where the window's last real row comes first; the value of a row that truly
    terminated is 0. From the last real row on no reward counts, and without a true termination the value there stands.
    """
    window, ends = values.shape[1], unroll.ends[:, None]
    rows, time = torch.arange(window, device=values.device), torch.arange(num_steps, device=values.device)
    rewards = unroll.rewards * (rows < ends)
    values = values.masked_fill(unroll.terminated[:, None] & (rows >= ends), 0.0)
    bootstrap = torch.minimum(time + bootstrap_steps, ends)
    powers = discount ** (bootstrap - time).clamp(min=0)
    returns = values.gather(1, bootstrap) * powers
    for ahead in range(bootstrap_steps):
        returns = returns + discount**ahead * rewards[:, ahead : ahead + num_steps]
    return returns


@torch.no_grad()
def make_targets(
    unroll: Unroll, target_network: Network, *, num_steps: int, bootstrap_steps: int, discount: float
) -> Targets:
    """Return the targets of the first `num_steps` steps, with the EMA network's latents and values in context."""
    latents = target_network.encode(unroll.observations.flatten(0, 1)).reshape(*unroll.rewards.shape, -1)
    values = target_network.read_values(latents, unroll.actions)
    time = torch.arange(num_steps, device=values.device)
    is_real = time < unroll.ends[:, None]
    return Targets(
        latents=latents[:, 1 : num_steps + 1],
        rewards=unroll.rewards[:, :num_steps],
        values=n_step_returns(unroll, values, num_steps=num_steps, bootstrap_steps=bootstrap_steps, discount=discount),
        policies=unroll.policies[:, :num_steps],
        action_sets=None if unroll.action_sets is None else unroll.action_sets[:, :num_steps],
        is_real=is_real,
        is_known=is_real | unroll.terminated[:, None],
    )
