"""The learner: one gradient step on a batch of unrolls, and the EMA network that follows."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
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
    UnitActivity,
    cross_entropy,
    entropy,
    latent_distance,
    read_gaussian,
    weigh_losses,
)
from kvzero.replay import Segments
from kvzero.training.learning.arithmetic import UpdateArithmetic
from kvzero.training.learning.augmentation import build_shift, encode_shifted
from kvzero.training.learning.config import LearnerConfig, NumberType
from kvzero.training.learning.counts import Counts, count_steps
from kvzero.training.learning.precision import measure_precision, settle_precision
from kvzero.training.learning.ranks import Alone, Ranks
from kvzero.training.learning.recorded import CudaUpdates, Made, RecordedUpdates
from kvzero.training.learning.schedules import Schedules
from kvzero.training.learning.targets import (
    Targets,
    Unroll,
    find_unsearched,
    make_targets,
    mean_value_errors,
    pin,
    prefer_searches,
    read_search_values,
    segment_steps,
    to_device,
)

__all__ = ["Learner"]

DORMANCY_UNROLLS = 32
"""Unrolls of a batch that are passed to see which units are dormant."""

DORMANCY_THRESHOLD = 0.025
"""Share of the layer's mean activity up to which a unit is dormant (Sokar et al. 2023, for DQN)."""


class Learner:
    """Owns the network, its EMA copy and the optimiser; counts its updates."""

    def __init__(
        self,
        network: Network,
        config: LearnerConfig,
        *,
        discount: float,
        total_updates: int,
        seed: int = 0,
        ranks: Ranks | None = None,
    ) -> None:
        """Make the EMA copy and the optimiser; what is scheduled moves over `total_updates`, `seed` is that of shifts.

        Where there are `ranks`, each computes with its share of a batch what all together change the weights by.

        Raises:
            ConfigError: if images are to be shifted that cannot be.
        """
        self.network = network
        self.config = config
        self._ranks = ranks or Alone()
        rank, num_ranks = self._ranks.rank, self._ranks.num_ranks
        self.shift = build_shift(config.shift_pixels, network.spec, seed=seed, rank=rank, num_ranks=num_ranks)
        """What shifts images before either network sees them, if anything does."""
        self.target_network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.optimizer = _build_optimizer(network, config)
        self.num_updates = 0
        self.value_errors: Float[Tensor, " batch"] | None = None
        """How badly the newest update predicted each segment's values; None where that decides no draws."""
        self.unseen: list[np.ndarray] = []  # observations [env, ...] that `take_in` will add to the normaliser
        self._is_plain = config.arithmetic == "plain"
        self._newest: Unroll | None = None
        self._recorded = self._record_updates()
        self.schedules = Schedules(config, discount=discount, total_updates=total_updates)
        self.number_type = settle_precision(config.precision, network.device)
        """What updates are computed in; None before the first one where it is measured."""

    @property
    def segment_steps(self) -> int:
        """Steps that a sampled segment must have, at the run's largest n."""
        return segment_steps(self.config.unroll_steps, self.config.bootstrap_steps)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the update that comes next."""
        return self.schedules.learning_rate(self.num_updates)

    @property
    def bootstrap_steps(self) -> int:
        """The n of the update that comes next."""
        return self.schedules.bootstrap_steps(self.num_updates)

    @property
    def discount(self) -> float:
        """The discount of the update that comes next, which searches until then should have too."""
        return self.schedules.discount(self.num_updates)

    def update(self, segments: Segments) -> dict[str, Tensor]:
        """Make one gradient step; return figures as tensors, so that nothing waits for the device.

        Its stages are the methods below, in this order; whoever wants to know what each costs overrides and times them.
        """
        segments = self._ranks.share(segments)
        if self.number_type is None:
            found = measure_precision(lambda number_type: self._try(segments, number_type))
            self.number_type = self._ranks.agree(found)
        unroll = self.bring(segments)
        self._set_learning_rate()
        made = self.compute(unroll) if self._recorded is None else self.compute_recorded(unroll, self._recorded)
        for network in (self.network, self.target_network):
            network.mark_changed()
        self.value_errors = made.value_errors
        self.num_updates += 1
        return made.figures

    @property
    def prepare(self) -> Callable[[Segments], Segments] | None:
        """What is best done with sampled segments before they are brought to the device; None where nothing is."""
        return pin if self.network.device.type == "cuda" else None

    def bring(self, segments: Segments) -> Unroll:
        """Bring sampled segments to the device, with all that the host draws and looks up for their update."""
        device, config = self.network.device, self.config
        shifts = unsearched = None
        if self.shift is not None:
            draws = [self.shift.draw(len(segments.ends)) for _ in (self.target_network, self.network)]
            shifts = torch.from_numpy(np.stack(draws)).to(device)
        if config.bootstrap == "search":
            unsearched = torch.from_numpy(find_unsearched(segments)).to(device)
        return replace(to_device(segments, device), shifts=shifts, unsearched=unsearched)

    def compute_recorded(self, unroll: Unroll, recorded: RecordedUpdates) -> Made:
        """Do what `compute` does, from a recording once there is one; what the host puts in makes its shape."""
        shape = (self.bootstrap_steps, self.discount, *(tensor.shape for tensor in unroll.tensors()))
        return recorded.make(shape, unroll, self.compute)

    def compute(self, unroll: Unroll) -> Made:
        """Do all of an update that is done on the device."""
        self._newest = unroll  # replays write into the one that was recorded
        total, figures = self.forward(unroll, self.make_targets(unroll))
        self.backward(total)
        figures["gradient_norm"] = self.step_optimizer()
        self.follow()
        return Made(figures, self.value_errors)

    def make_targets(self, unroll: Unroll) -> Targets:
        """Ask the EMA network what should have been said of an unroll."""
        with self._arithmetic():
            targets = make_targets(
                unroll,
                self.target_network,
                num_steps=self.config.unroll_steps,
                bootstrap_steps=self.bootstrap_steps,
                discount=self.discount,
                values=self._search_values(unroll),
                plainly=self._is_plain,
            )
        return self._mix_values(targets, unroll)

    def forward(self, unroll: Unroll, targets: Targets) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss, this rank's part of it, and the figures that all of it is made of."""
        with self._arithmetic():
            losses = self._losses(unroll, targets)
        counts = count_steps(unroll, targets, self._ranks)
        total, parts = self._combine(losses, targets, counts)
        parts |= self._excesses(parts, unroll, targets, counts)
        figures = dict(zip(parts, self._ranks.sum(torch.stack([*parts.values()])), strict=True))
        if unroll.weights is not None:
            figures |= _importance_figures(self._ranks.gather(unroll.weights))
        return total, figures

    def backward(self, total: Float[Tensor, ""]) -> None:
        """Compute the gradient of the loss, all ranks' parts of it together."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        self._ranks.sum_gradients(self.network)

    def step_optimizer(self) -> Float[Tensor, ""]:
        """Change the weights by the gradient, shortened to its limit; return the length that it had."""
        norm: Tensor = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_gradient_norm)
        self.optimizer.step()
        return norm

    @torch.no_grad()
    def follow(self) -> None:
        """Move the EMA network towards the network."""
        targets: list[Tensor] = list(self.target_network.parameters())
        sources: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(targets, sources, self.config.ema_rate)

    def _search_values(self, unroll: Unroll) -> Float[Tensor, "batch row"] | None:
        """Return the values that searches found, where returns are to end with those."""
        if unroll.unsearched is None:
            return None
        return read_search_values(unroll, self.target_network, unroll.unsearched, plainly=self._is_plain)

    def _mix_values(self, targets: Targets, unroll: Unroll) -> Targets:
        """Let searches say what old rows are worth, where and when that is asked for."""
        age = self.config.search_value_age
        if age is None or self.num_updates < self.config.search_value_starts:
            return targets
        return prefer_searches(targets, unroll, collected_before=self.num_updates - age)

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """Inside the block, compute in the learner's number type, and as suits its device."""
        device, is_bfloat16 = self.network.device.type, self.number_type == "bfloat16"
        has_faster_ways = device == "cpu" and not self._is_plain
        faster = UpdateArithmetic() if has_faster_ways else nullcontext()
        with torch.autocast(device, torch.bfloat16, enabled=is_bfloat16), faster:
            yield

    def _try(self, segments: Segments, number_type: NumberType) -> None:
        """Compute a gradient in a number type, and wait for it; no weight changes."""
        self.number_type = number_type
        unroll = self.bring(segments)
        self.backward(self.forward(unroll, self.make_targets(unroll))[0])
        if self.network.device.type == "cuda":
            torch.cuda.synchronize(self.network.device)

    def _losses(self, unroll: Unroll, targets: Targets) -> Losses:
        steps = unroll.first(self.config.unroll_steps)
        latents = encode_shifted(self.network, steps["observations"], unroll.network_shifts)
        predictions = self.network(latents, steps["actions"], plainly=self._is_plain)
        support = self.network.support
        self.value_errors = None
        if unroll.weights is not None:
            errors = mean_value_errors(support.decode(predictions.value_logits.detach()), targets)
            self.value_errors = self._ranks.gather(errors)
        policy_loss, policy_entropy = _policy_losses(
            predictions.policy_logits, steps["policies"], action_sets=steps.get("action_sets")
        )
        return Losses(
            latent=latent_distance(predictions.next_latents, targets.latents, self.config.latent_loss),
            reward=cross_entropy(predictions.reward_logits, support.encode(steps["rewards"])),
            value=cross_entropy(predictions.value_logits, support.encode(targets.values)),
            policy=policy_loss,
            entropy=policy_entropy,
        )

    def _combine(self, losses: Losses, targets: Targets, counts: Counts) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        means = weigh_losses(
            losses, self.config.loss_weights, known=counts.known, real=counts.real, totals=counts.totals
        )
        figures = {
            "loss_latent": means.latent,
            "loss_reward": means.reward,
            "loss_value": means.value,
            "loss_policy": means.policy,
            "policy_entropy": means.entropy,
            "loss": means.total,
            "mean_value_target": counts.mean_known(targets.values),
        }
        return means.total, {name: figure.detach() for name, figure in figures.items()}

    @torch.no_grad()
    def _excesses(
        self, figures: dict[str, Tensor], unroll: Unroll, targets: Targets, counts: Counts
    ) -> dict[str, Tensor]:
        """Return the cross-entropies less the entropies of their targets, KL divergences, so that 0 is perfect.

        From the policy over continuous actions nothing is taken: what it learns from are weights of a few actions, and
        a density has no highest value there.
        """
        steps, support = unroll.first(self.config.unroll_steps), self.network.support
        weights = self.config.loss_weights
        reward = counts.mean_known(support.entropy(steps["rewards"]))
        value = counts.mean_known(support.entropy(targets.values))
        policy = torch.zeros_like(value)
        if not self.network.spec.is_continuous:
            policy = counts.mean_real(torch.special.entr(steps["policies"]).sum(-1))
        return {
            "loss_reward": figures["loss_reward"] - reward,
            "loss_value": figures["loss_value"] - value,
            "loss_policy": figures["loss_policy"] - policy,
            "target_entropy": weights.reward * reward + weights.value * value + weights.policy * policy,
        }

    def _set_learning_rate(self) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):  # where updates may be recorded, which read it where it lies
                group["lr"].fill_(self.learning_rate)
            else:
                group["lr"] = self.learning_rate

    def _record_updates(self) -> RecordedUpdates | None:
        """Return what records updates: on a GPU, where the host has nothing to do with them once they are begun."""
        config = self.config
        is_alone = isinstance(self._ranks, Alone)
        if self.network.device.type != "cuda" or not is_alone or config.reads_searches:
            return None
        return RecordedUpdates(CudaUpdates(self.network.device))

    def dormant_shares(self) -> dict[str, float]:
        """Return what share of the units in each part of the network the newest batch hardly excites.

        The batch, or the first of it, is passed once more; there are no shares before this session's first update.
        Dormant units are those of Sokar et al. 2023.
        """
        if self._newest is None:
            return {}
        steps = self._newest.first(self.config.unroll_steps)
        observations, actions = (steps[name][:DORMANCY_UNROLLS] for name in ("observations", "actions"))
        with UnitActivity(self.network) as activity, self._arithmetic():
            self.network(self.network.encode_steps(observations), actions)
        return activity.dormant_shares(DORMANCY_THRESHOLD)

    def show(self, observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Keep observations for `take_in`; without effect where the network normalises none."""
        if self.network.normaliser is not None:
            self.unseen.append(observations)

    def take_in(self) -> None:
        """Add what was shown since the last time to what is normalised by, for the network and its EMA copy alike."""
        if not self.unseen:
            return
        shown = np.concatenate(self.unseen)
        self._ranks.show(shown)
        observations = torch.from_numpy(shown).to(self.network.device)
        self.unseen.clear()
        for network in (self.network, self.target_network):
            network.take_in(observations)

    def load_moments(self, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take over what another optimiser keeps of each weight; the learning rate stays where this one has it."""
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": dict(moments), "param_groups": groups})

    def refuse_divergence(self) -> None:
        """Look at the weights, which waits for the device.

        Raises:
            SearchError: if one of them is not finite.
        """
        if not nn.utils.get_total_norm(self.network.parameters(), norm_type=inf).isfinite():
            raise SearchError(
                f"the network has diverged: after {self.num_updates} updates some of its weights are not finite; "
                f"begin anew with a learning_rate smaller than {self.config.learning_rate}"
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
    if network.device.type != "cuda":
        return torch.optim.AdamW(groups, lr=config.learning_rate, eps=1e-5, fused=True)
    rate = torch.tensor(config.learning_rate, device=network.device)
    return torch.optim.AdamW(groups, lr=rate, eps=1e-5, fused=True, capturable=True)
