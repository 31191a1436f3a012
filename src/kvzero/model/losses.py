"""Training losses as pure functions; each returns one number per sample and step, never a mean."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from kvzero.model.config import SIMNORM_GROUP

__all__ = ["LatentLoss", "cross_entropy", "entropy", "latent_distance"]

LatentLoss = Literal["mse", "smooth_l1", "group_kl"]

TINY = 1e-8


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
