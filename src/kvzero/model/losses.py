"""Training losses as pure functions: each by sample and step, then all of them as one weighted sum of means."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.model.config import SIMNORM_GROUP

__all__ = [
    "LOSS_WEIGHTS",
    "LatentLoss",
    "LossWeights",
    "Losses",
    "MeanLosses",
    "cross_entropy",
    "entropy",
    "latent_distance",
    "masked_mean",
    "weigh_losses",
]

LatentLoss = Literal["mse", "smooth_l1", "group_kl"]

TINY = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """How much each loss counts; the defaults are those for numbered actions (UniZero, Pu et al. 2024, appendix)."""

    latent: float = 10.0
    reward: float = 1.0
    value: float = 0.5
    policy: float = 1.0

    entropy: float = 5e-3
    """Counts inside the policy's loss."""


LOSS_WEIGHTS = LossWeights()


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses per sample and unroll step, before weights and means."""

    latent: Float[Tensor, "batch time"]
    reward: Float[Tensor, "batch time"]
    value: Float[Tensor, "batch time"]
    policy: Float[Tensor, "batch time"]
    entropy: Float[Tensor, "batch time"]


@dataclass(frozen=True, slots=True)
class MeanLosses:
    """Losses as means over the steps that count."""

    total: Float[Tensor, ""]
    """The weighted sum, to be differentiated."""

    latent: Float[Tensor, ""]
    """Distance of predicted latents."""

    reward: Float[Tensor, ""]
    """Cross-entropy of rewards."""

    value: Float[Tensor, ""]
    """Cross-entropy of values."""

    policy: Float[Tensor, ""]
    """Cross-entropy of policies."""

    entropy: Float[Tensor, ""]
    """Entropy of predicted policies."""


def cross_entropy(
    logits: Float[Tensor, "*step bin"], target_probabilities: Float[Tensor, "*step bin"]
) -> Float[Tensor, "*step"]:
    """Return `-sum_b p_b log softmax(logits)_b` in nats; a target of zeros costs nothing."""
    return -(target_probabilities * logits.float().log_softmax(-1)).sum(-1)


def entropy(logits: Float[Tensor, "*step action"]) -> Float[Tensor, "*step"]:
    """Return the entropy of `softmax(logits)` in nats."""
    log_probabilities = logits.float().log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def latent_distance(
    predicted: Float[Tensor, "*step embed"], target: Float[Tensor, "*step embed"], kind: LatentLoss
) -> Float[Tensor, "*step"]:
    """Return how far predicted latents are from their targets.

    `mse` and `smooth_l1` average over the embedding; `group_kl` is `KL(target || predicted)` of each simplex of a
    SimNorm latent, summed inside the group and averaged over groups (UniZero, Pu et al. 2024, appendix).
    """
    if kind == "mse":
        return functional.mse_loss(predicted.float(), target.float(), reduction="none").mean(-1)
    if kind == "smooth_l1":
        return functional.smooth_l1_loss(predicted.float(), target.float(), reduction="none").mean(-1)
    groups = torch.unflatten(predicted.float().clamp(min=TINY).log(), -1, (-1, SIMNORM_GROUP))
    wanted = torch.unflatten(target.float().clamp(min=TINY), -1, (-1, SIMNORM_GROUP))
    return (wanted * (wanted.log() - groups)).sum(-1).mean(-1)


def masked_mean(
    values: Float[Tensor, "*step"], shares: Float[Tensor, "*step"], *, total: Float[Tensor, ""] | None = None
) -> Float[Tensor, ""]:
    """Return the mean of values of which each counts by its share; 0 where nothing counts.

    Of a part of a batch whose shares sum to `total`, return what the part adds to the mean of the batch.
    """
    return (values * shares).sum() / (shares.sum() if total is None else total).clamp(min=1e-8)


def weigh_losses(
    losses: Losses,
    weights: LossWeights,
    *,
    known: Float[Tensor, "batch time"],
    real: Float[Tensor, "batch time"],
    totals: tuple[Float[Tensor, ""], Float[Tensor, ""]] | None = None,
) -> MeanLosses:
    """Return the mean of each loss and their weighted sum.

    `known` says how much each step counts for latents, rewards and values, `real` for what the policy should have done.
    `totals` are what both sum to over a whole batch, of which this is a part.
    """
    of_known, of_real = totals or (None, None)
    latent, reward, value = (
        masked_mean(loss, known, total=of_known) for loss in (losses.latent, losses.reward, losses.value)
    )
    policy, spread = (masked_mean(loss, real, total=of_real) for loss in (losses.policy, losses.entropy))
    total = (
        weights.latent * latent
        + weights.reward * reward
        + weights.value * value
        + weights.policy * (policy - weights.entropy * spread)
    )
    return MeanLosses(total, latent, reward, value, policy, spread)
