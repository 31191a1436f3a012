"""The knobs of the learner."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from kvzero.checks import check_field, read_fields
from kvzero.model import LOSS_WEIGHTS, LatentLoss, LossWeights

__all__ = ["LearnerConfig", "Precision"]

Precision = Literal["auto", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """How one gradient step is made."""

    batch_size: int = 128
    """Unrolls per update."""

    unroll_steps: int = 10
    """Environment steps per unroll (H)."""

    bootstrap_steps: int = 10
    """Rewards summed before the EMA network's value takes over (n)."""

    learning_rate: float = 1e-3
    """Step size of AdamW at its highest."""

    final_learning_rate_share: float = 0.1
    """Share of the learning rate that is left when the run ends; it falls linearly."""

    weight_decay: float = 1e-4
    """Decay of AdamW, on matrices only."""

    max_gradient_norm: float = 5.0
    """Gradients longer than this are shortened to it."""

    ema_rate: float = 0.02
    """How far the EMA network moves towards the network after each update."""

    latent_loss: LatentLoss = "group_kl"
    """Distance between a predicted latent and the EMA encoder's; group_kl needs latent_norm=simnorm."""

    latent_weight: float = LOSS_WEIGHTS.latent
    """Weight of the latent loss."""

    reward_weight: float = LOSS_WEIGHTS.reward
    """Weight of the reward's cross-entropy."""

    value_weight: float = LOSS_WEIGHTS.value
    """Weight of the value's cross-entropy."""

    policy_weight: float = LOSS_WEIGHTS.policy
    """Weight of the policy's cross-entropy."""

    entropy_weight: float = LOSS_WEIGHTS.entropy
    """Weight of the policy's entropy, inside the policy loss."""

    shift_pixels: int = 0
    """Images only: in training, shift the images of each unroll alike by up to this many pixels, those that targets are
    made of by others (DrQ, Yarats et al. 2021)."""

    precision: Precision = "auto"
    """auto trains in bfloat16 autocast where the device is a GPU that has it; float32 never does."""

    def __post_init__(self) -> None:
        read_fields(self)
        positive = ("learning_rate", "max_gradient_norm")
        weights = ("latent_weight", "reward_weight", "value_weight", "policy_weight", "entropy_weight")
        for name in ("batch_size", "unroll_steps", "bootstrap_steps"):
            check_field(self, name, lambda value: value >= 1, "give at least 1")
        for name in positive:
            check_field(self, name, lambda value: 0 < value < inf, "give a positive number")
        for name in (*weights, "weight_decay"):
            check_field(self, name, lambda value: 0 <= value < inf, "give 0 or more")
        check_field(self, "shift_pixels", lambda value: value >= 0, "give 0 or more")
        for name in ("ema_rate", "final_learning_rate_share"):
            check_field(self, name, lambda value: 0 < value <= 1, "give a share above 0 and up to 1")

    @property
    def loss_weights(self) -> LossWeights:
        """How much each loss counts."""
        return LossWeights(
            latent=self.latent_weight,
            reward=self.reward_weight,
            value=self.value_weight,
            policy=self.policy_weight,
            entropy=self.entropy_weight,
        )
