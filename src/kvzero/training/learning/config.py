"""The knobs of the learner."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from kvzero.checks import check_field, read_fields
from kvzero.errors import ConfigError
from kvzero.model import LOSS_WEIGHTS, LatentLoss, LossWeights

__all__ = ["Arithmetic", "BootstrapKind", "LearnerConfig", "NumberType", "Precision"]

BootstrapKind = Literal["network", "search"]
Arithmetic = Literal["fast", "plain"]
Precision = Literal["auto", "float32", "bfloat16", "measured"]
NumberType = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """How one gradient step is made."""

    batch_size: int = 128
    """Unrolls per update."""

    unroll_steps: int = 10
    """Environment steps per unroll (H)."""

    bootstrap_steps: int = 10
    """Rewards summed before the EMA network's value takes over (n)."""

    bootstrap: BootstrapKind = "network"
    """What takes over: the EMA network's value; or the value that the newest search of that row found, which costs the
    EMA network no pass, but is worth as much as searches are new: see reanalysed_rows."""

    search_value_age: int | None = None
    """Updates since a row was collected after which its value target is what the newest search found there, and not an
    n-step return over actions of a policy that is long gone (EfficientZero V2, Wang et al. 2024); not given, never."""

    search_value_starts: int = 0
    """Updates made before such targets are used: first a network's values must be worth something."""

    final_bootstrap_steps: int | None = None
    """What n falls to, if it is to fall: a large n learns fast from values that know little yet, a small one depends
    less on the actions of older policies (BBF, Schwarzer et al. 2023: from 10 to 3)."""

    first_discount: float | None = None
    """What discount rises from, if it is to rise: a near horizon is learnt sooner and varies less (François-Lavet et
    al. 2015; BBF: from 0.97 to 0.997). The search reckons with the same."""

    annealing_updates: int | None = None
    """Updates over which n and the discount move; half of the run's if not given (BBF: 10,000)."""

    learning_rate: float = 1e-3
    """Step size of AdamW at its highest."""

    annealing_begins: float = 0.0
    """Share of the run's updates that are made before they begin to move; what is left must be enough for it."""

    warmup_updates: int = 0
    """Updates over which the learning rate rises to its highest: the first steps of AdamW, which knows little of the
    gradients' size yet, are the least reliable (Ma & Yarats 2021)."""

    final_learning_rate_share: float = 0.1
    """Share of the learning rate that would be left after total_env_steps * replay_ratio updates, towards which it
    falls linearly; a run makes fewer, by those that learning_starts saves, and ends above it."""

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
    """Number type of an update: float32; bfloat16 by autocast; auto for bfloat16 where the device is a GPU that has it;
    measured for whichever of both makes the run's first update faster, kept for the whole run."""

    arithmetic: Arithmetic = "fast"
    """How an update is computed: fast takes what was measured to be quickest for sequences as short as unrolls; plain
    takes PyTorch's own way everywhere, as before kvzero could choose, to repeat a run of that time bit for bit."""

    @staticmethod
    def upgrade(found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a mapping that says what earlier versions, which had one way to compute an update, did not say."""
        return {"arithmetic": "plain", **found}

    def __post_init__(self) -> None:
        read_fields(self)
        positive = ("learning_rate", "max_gradient_norm")
        weights = ("latent_weight", "reward_weight", "value_weight", "policy_weight", "entropy_weight")
        for name in ("batch_size", "unroll_steps", "bootstrap_steps"):
            check_field(self, name, lambda value: value >= 1, "give at least 1")
        for name in positive:
            check_field(self, name, lambda value: 0 < value < inf, "give a positive number")
        for name in (*weights, "weight_decay", "warmup_updates"):
            check_field(self, name, lambda value: 0 <= value < inf, "give 0 or more")
        check_field(self, "shift_pixels", lambda value: value >= 0, "give 0 or more")
        for name in ("ema_rate", "final_learning_rate_share"):
            check_field(self, name, lambda value: 0 < value <= 1, "give a share above 0 and up to 1")
        self._check_search_values()
        self._check_annealing()

    def _check_search_values(self) -> None:
        check_field(self, "search_value_age", lambda value: value is None or value >= 0, "give 0 or more, or nothing")
        check_field(self, "search_value_starts", lambda value: value >= 0, "give 0 or more")
        if self.search_value_starts and self.search_value_age is None:
            raise ConfigError(
                f"search_value_starts is {self.search_value_starts}, which has no effect without search_value_age; "
                "give that too, or leave it out"
            )

    def _check_annealing(self) -> None:
        check_field(
            self,
            "final_bootstrap_steps",
            lambda value: value is None or 1 <= value <= self.bootstrap_steps,
            f"n falls: give at least 1 and at most the bootstrap_steps {self.bootstrap_steps} that it falls from",
        )
        check_field(
            self, "first_discount", lambda value: value is None or 0 <= value < 1, "give a number from 0 to below 1"
        )
        check_field(self, "annealing_updates", lambda value: value is None or value >= 1, "give at least 1, or nothing")
        check_field(self, "annealing_begins", lambda share: 0 <= share < 1, "give a share from 0 to below 1")
        for name in ("annealing_updates", "annealing_begins"):
            if getattr(self, name) and self.final_bootstrap_steps is None and self.first_discount is None:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, which would have no effect: neither "
                    "final_bootstrap_steps nor first_discount is given; give one of them, or leave it out"
                )

    @property
    def reads_searches(self) -> bool:
        """Whether the values that searches found have to be kept, as targets are made of them."""
        return self.bootstrap == "search" or self.search_value_age is not None

    @property
    def positions_per_update(self) -> int:
        """Steps that one update trains on."""
        return self.batch_size * self.unroll_steps

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
