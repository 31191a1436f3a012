"""What the network should have said: n-step returns, EMA latents, and the masks of what counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, Shaped
from torch import Tensor

from kvzero.model import Network
from kvzero.replay import Segments
from kvzero.training.learning.augmentation import encode_shifted

__all__ = [
    "Targets",
    "Unroll",
    "bootstrap_rows",
    "find_unsearched",
    "make_targets",
    "mean_value_errors",
    "n_step_returns",
    "pin",
    "prefer_searches",
    "read_search_values",
    "segment_steps",
    "to_device",
]


@dataclass(frozen=True, slots=True)
class Unroll:
    """Segments on the learner's device."""

    fields: Mapping[str, Shaped[Tensor, "batch row ..."]]
    """What each row holds, by the names in the replay's `RowSpec`."""
    ends: Int[Tensor, " batch"]
    terminated: Bool[Tensor, " batch"]
    weights: Float[Tensor, " batch"] | None = None
    """How much each segment counts; None where all count alike."""

    shifts: Int64[Tensor, "2 2 batch"] | None = None
    """How far the EMA network's images are shifted down and sideways, and how far the network's; None where no image
    is."""

    unsearched: Int64[Tensor, " some"] | None = None
    """Which segments end where nothing was searched; None where returns do not end with what searches found."""

    @property
    def ema_shifts(self) -> Int64[Tensor, "2 batch"] | None:
        """How far the EMA network's images are shifted."""
        return None if self.shifts is None else self.shifts[0]

    @property
    def network_shifts(self) -> Int64[Tensor, "2 batch"] | None:
        """How far the network's images are shifted."""
        return None if self.shifts is None else self.shifts[1]

    def tensors(self) -> list[Shaped[Tensor, "..."]]:
        """Return all that there is."""
        others = (self.ends, self.terminated, self.weights, self.shifts, self.unsearched)
        return [*self.fields.values(), *(tensor for tensor in others if tensor is not None)]

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
        weights=None if segments.weights is None else place(segments.weights),
    )


def pin(segments: Segments) -> Segments:
    """Return segments in memory that a GPU fetches by itself, so that bringing them there is not waited for."""

    def place(array: np.ndarray) -> np.ndarray:
        pinned = torch.empty(array.shape, dtype=torch.from_numpy(array[:0]).dtype, pin_memory=True).numpy()
        np.copyto(pinned, array)
        return pinned

    return replace(
        segments,
        fields={name: place(values) for name, values in segments.fields.items()},
        ends=place(segments.ends),
        terminated=place(segments.terminated),
        weights=None if segments.weights is None else place(segments.weights),
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
    values: Float[Tensor, "batch row"] | None = None,
) -> Targets:
    """Return the targets of the first `num_steps` steps, with the EMA network's latents and values in context.

    Rows behind the last bootstrap value are not looked at: a segment that was drawn for a larger n costs no more. Where
    `values` are given, returns end with those, and nothing is computed that only the network's would need. `plainly` is
    what `Network.read_values` takes.
    """
    rows = unroll.first(num_steps + bootstrap_steps)
    bootstrap = bootstrap_rows(unroll, num_steps=num_steps, bootstrap_steps=bootstrap_steps)
    if values is None:
        latents = encode_shifted(target_network, rows["observations"], unroll.ema_shifts)
        next_latents = latents[:, 1 : num_steps + 1]
        last_values = target_network.read_values(latents, rows["actions"], bootstrap, plainly=plainly)
    else:
        next_latents = encode_shifted(target_network, rows["observations"][:, 1 : num_steps + 1], unroll.ema_shifts)
        last_values = values.gather(1, bootstrap)
    time = torch.arange(num_steps, device=last_values.device)
    is_real = time < unroll.ends[:, None]
    return Targets(
        latents=next_latents,
        values=n_step_returns(unroll, last_values, bootstrap_steps=bootstrap_steps, discount=discount),
        is_real=is_real,
        is_known=is_real | unroll.terminated[:, None],
    )


def find_unsearched(segments: Segments) -> Int64[np.ndarray, " some"]:
    """Return the segments that end with an episode which was cut off: its final observation was never searched."""
    last = segments.fields["judged_at"][np.arange(len(segments.ends)), segments.ends]
    return np.flatnonzero((last < 0) & ~segments.terminated)


@torch.no_grad()
def read_search_values(
    unroll: Unroll, target_network: Network, unsearched: Int[Tensor, " some"], *, plainly: bool = False
) -> Float[Tensor, "batch row"]:
    """Return what the newest search of each row found it to be worth.

    Where a segment is `unsearched`, the EMA network's value in context stands in at its end.
    """
    values = unroll.fields["search_values"]
    if not len(unsearched):
        return values
    shifts = None if unroll.ema_shifts is None else unroll.ema_shifts[:, unsearched]
    latents = encode_shifted(target_network, unroll.fields["observations"][unsearched], shifts)
    ends = unroll.ends[unsearched]
    found = target_network.read_values(latents, unroll.fields["actions"][unsearched], ends[:, None], plainly=plainly)
    values = values.clone()
    values[unsearched, ends] = found[:, 0].to(values.dtype)
    return values


def prefer_searches(targets: Targets, unroll: Unroll, *, collected_before: int) -> Targets:
    """Return targets whose values are those of searches at the steps that weights of fewer updates acted at."""
    steps = unroll.first(targets.values.shape[1])
    is_old = targets.is_real & (steps["collected_at"] < collected_before)
    return replace(targets, values=torch.where(is_old, steps["search_values"], targets.values))


def mean_value_errors(predicted: Float[Tensor, "batch time"], targets: Targets) -> Float[Tensor, " batch"]:
    """Return the mean of `|z - v|` over the known steps of each unroll, of which the first is one.

    MuZero draws a step by its own error (Schrittwieser et al. 2020, appendix G). What is drawn here is learnt from as a
    whole, so the errors of all its steps count, as they do for the sequences of R2D2 (Kapturowski et al. 2019).
    """
    known = targets.is_known.float()
    return ((predicted - targets.values).abs() * known).sum(-1) / known.sum(-1)
