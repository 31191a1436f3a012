"""What the network should have said: n-step returns, EMA latents, and the masks of what counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.model import Network
from kvzero.replay import Segments

__all__ = ["Targets", "Unroll", "bootstrap_rows", "make_targets", "n_step_returns", "segment_steps", "to_device"]


@dataclass(frozen=True, slots=True)
class Unroll:
    """Segments on the learner's device."""

    fields: Mapping[str, Shaped[Tensor, "batch row ..."]]
    """What each row holds, by the names in the replay's `RowSpec`."""
    ends: Int[Tensor, " batch"]
    terminated: Bool[Tensor, " batch"]

    def first(self, num_steps: int) -> dict[str, Shaped[Tensor, "batch time ..."]]:
        """Return what the first `num_steps` rows hold; not copies."""
        return {name: values[:, :num_steps] for name, values in self.fields.items()}


@dataclass(frozen=True, slots=True)
class Targets:
    """What is worked out for every unroll step, and which steps count; the other targets stand in the unroll."""

    latents: Float[Tensor, "batch time embed"]
    values: Float[Tensor, "batch time"]
    is_real: Bool[Tensor, "batch time"]
    """The step was taken: its policy counts."""
    is_known: Bool[Tensor, "batch time"]
    """The step was taken, or comes after a true termination, where reward and value are 0 and nothing changes."""


def segment_steps(unroll_steps: int, bootstrap_steps: int) -> int:
    """Return how many steps a segment needs, so that the last unroll step finds its bootstrap value."""
    return unroll_steps - 1 + bootstrap_steps


def to_device(segments: Segments, device: torch.device) -> Unroll:
    """Return sampled segments as tensors."""

    def place(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    return Unroll(
        fields={name: place(values) for name, values in segments.fields.items()},
        ends=place(segments.ends),
        terminated=place(segments.terminated),
    )


def bootstrap_rows(unroll: Unroll, *, num_steps: int, bootstrap_steps: int) -> Int[Tensor, "batch time"]:
    """Return the row whose value ends the return of each of the first `num_steps` steps.

    It is `bootstrap_steps` further on, or the segment's last real row where that comes first.
    """
    time = torch.arange(num_steps, device=unroll.ends.device)
    return torch.minimum(time + bootstrap_steps, unroll.ends[:, None])


def n_step_returns(
    unroll: Unroll, values: Float[Tensor, "batch time"], *, bootstrap_steps: int, discount: float
) -> Float[Tensor, "batch time"]:
    """Return `sum_j g^j r_{k+j} + g^m v_{k+m}` for the first steps `k` (Sutton & Barto 2018, eq. 7.1).

    `values` are `v_{k+m}`, those of `bootstrap_rows`; the value of a row that truly terminated is 0. From the last real
    row on no reward counts, and without a true termination the value there stands.
    """
    num_steps = values.shape[1]
    bootstrap = bootstrap_rows(unroll, num_steps=num_steps, bootstrap_steps=bootstrap_steps)
    ends, time = unroll.ends[:, None], torch.arange(num_steps, device=values.device)
    rows = torch.arange(unroll.fields["rewards"].shape[1], device=values.device)
    rewards = unroll.fields["rewards"] * (rows < ends)
    powers = discount ** (bootstrap - time).clamp(min=0)
    returns = values.masked_fill(unroll.terminated[:, None] & (bootstrap >= ends), 0.0) * powers
    for ahead in range(bootstrap_steps):
        returns = returns + discount**ahead * rewards[:, ahead : ahead + num_steps]
    return returns


@torch.no_grad()
def make_targets(
    unroll: Unroll,
    target_network: Network,
    *,
    num_steps: int,
    bootstrap_steps: int,
    discount: float,
    plainly: bool = False,
) -> Targets:
    """Return the targets of the first `num_steps` steps, with the EMA network's latents and values in context.

    Rows behind the last bootstrap value are not looked at: a segment that was drawn for a larger n costs no more.
    `plainly` is what `Network.read_values` takes.
    """
    rows = unroll.first(num_steps + bootstrap_steps)
    observations = rows["observations"]
    latents = target_network.encode(observations.flatten(0, 1)).reshape(*observations.shape[:2], -1)
    bootstrap = bootstrap_rows(unroll, num_steps=num_steps, bootstrap_steps=bootstrap_steps)
    values = target_network.read_values(latents, rows["actions"], bootstrap, plainly=plainly)
    time = torch.arange(num_steps, device=values.device)
    is_real = time < unroll.ends[:, None]
    return Targets(
        latents=latents[:, 1 : num_steps + 1],
        values=n_step_returns(unroll, values, bootstrap_steps=bootstrap_steps, discount=discount),
        is_real=is_real,
        is_known=is_real | unroll.terminated[:, None],
    )
