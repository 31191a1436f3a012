"""The learner: one gradient step on a batch of unrolls, and the EMA network that follows."""

import copy
from dataclasses import replace
from math import inf

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.errors import SearchError
from kvzero.model import (
    Losses,
    Network,
    cross_entropy,
    entropy,
    latent_distance,
    masked_mean,
    read_gaussian,
    weigh_losses,
)
from kvzero.replay import Segments
from kvzero.training.learning.augmentation import build_shift
from kvzero.training.learning.config import LearnerConfig
from kvzero.training.learning.targets import (
    Targets,
    Unroll,
    make_targets,
    mean_value_errors,
    segment_steps,
    to_device,
)

__all__ = ["Learner"]


class Learner:
    """Owns the network, its EMA copy and the optimiser; counts its updates."""

    def __init__(
        self, network: Network, config: LearnerConfig, *, discount: float, total_updates: int, seed: int = 0
    ) -> None:
        """Make the EMA copy and the optimiser; the learning rate falls over `total_updates`, `seed` is that of shifts.

        Raises:
            ConfigError: if images are to be shifted that cannot be.
        """
        self.network = network
        self.shift = build_shift(config.shift_pixels, network.spec, seed=seed)
        """What shifts images before either network sees them, if anything does."""
        self.target_network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.optimizer = _build_optimizer(network, config)
        self.num_updates = 0
        self.value_errors: Float[Tensor, " batch"] | None = None
        """How badly the newest update predicted each segment's values; None where that decides no draws."""
        self.unseen: list[np.ndarray] = []  # observations [env, feature] that `take_in` will add to the normaliser
        self._config = config
        self._discount = discount
        self._total_updates = max(total_updates, 1)
        self._autocast = torch.autocast(
            network.device.type, torch.bfloat16, enabled=config.precision == "auto" and _has_bfloat16(network.device)
        )

    @property
    def segment_steps(self) -> int:
        """Steps that a sampled segment must have."""
        return segment_steps(self._config.unroll_steps, self._config.bootstrap_steps)

    def update(self, segments: Segments) -> dict[str, Tensor]:
        """Make one gradient step; return figures as tensors, so that nothing waits for the device.

        Its stages are the methods below, in this order; whoever wants to know what each costs overrides and times them.
        """
        unroll, targets = self.make_targets(segments)
        total, figures = self.forward(unroll, targets)
        self.backward(total)
        figures["gradient_norm"] = self.step_optimizer()
        self.follow()
        self.num_updates += 1
        return figures

    def make_targets(self, segments: Segments) -> tuple[Unroll, Targets]:
        """Bring sampled segments to the device, and ask the EMA network what should have been said of them."""
        config, unroll = self._config, to_device(segments, self.network.device)
        with self._autocast:
            return unroll, make_targets(
                self._shifted(unroll),
                self.target_network,
                num_steps=config.unroll_steps,
                bootstrap_steps=config.bootstrap_steps,
                discount=self._discount,
            )

    def forward(self, unroll: Unroll, targets: Targets) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss, and the figures that it is made of."""
        with self._autocast:
            losses = self._losses(unroll, targets)
        return self._combine(losses, targets, unroll.weights)

    def backward(self, total: Float[Tensor, ""]) -> None:
        """Compute the gradient of the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)

    def step_optimizer(self) -> Float[Tensor, ""]:
        """Change the weights by the gradient, shortened to its limit; return the length that it had."""
        self._set_learning_rate()
        norm: Tensor = nn.utils.clip_grad_norm_(self.network.parameters(), self._config.max_gradient_norm)
        self.optimizer.step()
        self.network.mark_changed()
        return norm

    @torch.no_grad()
    def follow(self) -> None:
        """Move the EMA network towards the network."""
        targets: list[Tensor] = list(self.target_network.parameters())
        sources: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(targets, sources, self._config.ema_rate)
        self.target_network.mark_changed()

    def _shifted(self, unroll: Unroll) -> Unroll:
        if self.shift is None:
            return unroll
        return replace(unroll, fields={**unroll.fields, "observations": self.shift(unroll.fields["observations"])})

    def _losses(self, unroll: Unroll, targets: Targets) -> Losses:
        steps = unroll.first(self._config.unroll_steps)
        observations = steps["observations"] if self.shift is None else self.shift(steps["observations"])
        latents = self.network.encode(observations.flatten(0, 1)).reshape(*observations.shape[:2], -1)
        predictions = self.network(latents, steps["actions"])
        support = self.network.support
        self.value_errors = None
        if unroll.weights is not None:
            self.value_errors = mean_value_errors(support.decode(predictions.value_logits.detach()), targets)
        policy_loss, policy_entropy = _policy_losses(
            predictions.policy_logits, steps["policies"], action_sets=steps.get("action_sets")
        )
        return Losses(
            latent=latent_distance(predictions.next_latents, targets.latents, self._config.latent_loss),
            reward=cross_entropy(predictions.reward_logits, support.encode(steps["rewards"])),
            value=cross_entropy(predictions.value_logits, support.encode(targets.values)),
            policy=policy_loss,
            entropy=policy_entropy,
        )

    def _combine(
        self, losses: Losses, targets: Targets, weights: Float[Tensor, " batch"] | None
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        real, known = targets.is_real.float(), targets.is_known.float()
        if weights is not None:
            real, known = real * weights[:, None], known * weights[:, None]
        means = weigh_losses(losses, self._config.loss_weights, known=known, real=real)
        figures = {
            "loss_latent": means.latent,
            "loss_reward": means.reward,
            "loss_value": means.value,
            "loss_policy": means.policy,
            "policy_entropy": means.entropy,
            "loss": means.total,
            "mean_value_target": masked_mean(targets.values, known),
            **({} if weights is None else _importance_figures(weights)),
        }
        return means.total, {name: figure.detach() for name, figure in figures.items()}

    def _set_learning_rate(self) -> None:
        fallen = min(self.num_updates / self._total_updates, 1.0)
        share = 1.0 - fallen * (1.0 - self._config.final_learning_rate_share)
        for group in self.optimizer.param_groups:
            group["lr"] = self._config.learning_rate * share

    def show(self, observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Keep observations for `take_in`; without effect where the network normalises none."""
        if self.network.normaliser is not None:
            self.unseen.append(observations)

    def take_in(self) -> None:
        """Add what was shown since the last time to what is normalised by, for the network and its EMA copy alike."""
        if not self.unseen:
            return
        observations = torch.from_numpy(np.concatenate(self.unseen)).to(self.network.device)
        self.unseen.clear()
        for network in (self.network, self.target_network):
            if network.normaliser is not None:
                network.normaliser.take_in(observations)
                network.mark_changed()

    def refuse_divergence(self) -> None:
        """Look at the weights, which waits for the device.

        Raises:
            SearchError: if one of them is not finite.
        """
        if not nn.utils.get_total_norm(self.network.parameters(), norm_type=inf).isfinite():
            raise SearchError(
                f"the network has diverged: after {self.num_updates} updates some of its weights are not finite; "
                f"begin anew with a learning_rate smaller than {self._config.learning_rate}"
            )


def _policy_losses(
    predicted: Float[Tensor, "batch time policy"],
    shares: Float[Tensor, "batch time action"],
    *,
    action_sets: Float[Tensor, "batch time action dim"] | None,
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """Return cross-entropy of the visit shares and entropy of the predicted policy, in nats.

    For continuous actions the shares weigh the log-densities of the actions that the search drew (Hubert et al. 2021).
    """
    if action_sets is None:
        return cross_entropy(predicted, shares), entropy(predicted)
    gaussian = read_gaussian(predicted)
    return -(shares * gaussian.log_density(action_sets)).sum(-1), gaussian.entropy()


def _importance_figures(weights: Float[Tensor, " batch"]) -> dict[str, Tensor]:
    """Return what weights of samples, the largest 1, make of a batch.

    `effective_batch_share` is that of the equally weighted samples whose mean would be as certain (Kish 1965).
    """
    return {
        "importance_mean": weights.mean(),
        "importance_min": weights.min(),
        "effective_batch_share": weights.mean().square() / weights.square().mean(),
    }


def _build_optimizer(network: Network, config: LearnerConfig) -> torch.optim.AdamW:
    decayed = list(network.decayed_weights())
    identities = {id(weights) for weights in decayed}
    plain = [weights for weights in network.parameters() if id(weights) not in identities]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, eps=1e-5, fused=True)


def _has_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported()
