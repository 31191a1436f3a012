"""What a `WorldModel` is trained towards, and how far from it a prediction is."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kvzero.agent.transformer_config import TransformerConfig
from kvzero.model import Predictions, Support, cross_entropy, entropy, latent_distance

__all__ = ["LossTargets", "WorldModelLoss", "world_model_loss"]

LATENT_WEIGHT, REWARD_WEIGHT, VALUE_WEIGHT, POLICY_WEIGHT = 10.0, 1.0, 0.5, 1.0
"""Weights of the four losses for discrete actions (UniZero, Pu et al. 2024, appendix)."""


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


@dataclass(frozen=True, slots=True)
class WorldModelLoss:
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


def world_model_loss(
    predictions: Predictions, targets: LossTargets, support: Support, config: TransformerConfig
) -> WorldModelLoss:
    """Return the losses of predictions; step `t` counts `gamma^t` of what step 0 counts."""
    num_steps = targets.rewards.shape[1]
    ages = torch.arange(num_steps, device=targets.rewards.device)
    weights = targets.is_known * config.gamma**ages

    def mean(losses: Float[Tensor, "batch time"]) -> Float[Tensor, ""]:
        return (losses * weights).sum() / weights.sum().clamp(min=1e-8)

    latent = mean(latent_distance(predictions.next_latents, targets.latents, config.predict_latent_loss_type))
    reward = mean(cross_entropy(predictions.reward_logits, support.encode(targets.rewards)))
    value = mean(cross_entropy(predictions.value_logits, support.encode(targets.values)))
    policy = mean(cross_entropy(predictions.policy_logits, targets.policies))
    spread = mean(entropy(predictions.policy_logits))
    total = (
        LATENT_WEIGHT * latent
        + REWARD_WEIGHT * reward
        + VALUE_WEIGHT * value
        + POLICY_WEIGHT * (policy - config.policy_entropy_weight * spread)
    )
    return WorldModelLoss(total, latent, reward, value, policy, spread)
