"""What a `WorldModel` is trained towards, and how far from it a prediction is."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.model import (
    LOSS_WEIGHTS,
    Losses,
    MeanLosses,
    Predictions,
    Support,
    cross_entropy,
    entropy,
    latent_distance,
    weigh_losses,
)

__all__ = ["LossTargets", "world_model_loss"]


@dataclass(frozen=True, slots=True)
class LossTargets:
    """What each step of some sequences should have said."""

    latents: Float[Tensor, "batch time embed"]
    """Latents of the observations that followed; of a slowly moving copy of the encoder, without gradient."""

    rewards: Float[Tensor, "batch time"]
    """Rewards received."""

    values: Float[Tensor, "batch time"]
    """Returns, such as n-step returns."""

    policies: Float[Tensor, "batch time action"]
    """Probabilities of actions, such as visit counts over their sum."""

    is_known: Bool[Tensor, "batch time"]
    """Which steps count."""


def world_model_loss(
    predictions: Predictions, targets: LossTargets, support: Support, config: TransformerConfig
) -> MeanLosses:
    """Return the losses of predictions; step `t` counts `gamma^t` of what step 0 counts."""
    ages = torch.arange(targets.rewards.shape[1], device=targets.rewards.device)
    shares = targets.is_known * config.gamma**ages
    losses = Losses(
        latent=latent_distance(predictions.next_latents, targets.latents, config.predict_latent_loss_type),
        reward=cross_entropy(predictions.reward_logits, support.encode(targets.rewards)),
        value=cross_entropy(predictions.value_logits, support.encode(targets.values)),
        policy=cross_entropy(predictions.policy_logits, targets.policies),
        entropy=entropy(predictions.policy_logits),
    )
    weights = replace(LOSS_WEIGHTS, entropy=config.policy_entropy_weight)
    return weigh_losses(losses, weights, known=shares, real=shares)
