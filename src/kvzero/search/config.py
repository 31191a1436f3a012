"""The knobs of one search: how many simulations, how they weigh what they find, how much chance at the root."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any, Literal

from kvzero.checks import read_fields
from kvzero.errors import ConfigError

__all__ = ["GumbelConfig", "PuctConfig", "RuleKind", "SearchConfig"]

RuleKind = Literal["puct", "gumbel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PuctConfig:
    """How MuZero's rule weighs what it finds (Schrittwieser et al. 2020, appendix B)."""

    pb_c_init: float = 1.25
    """Weight of the prior against the value (c1 of the paper)."""

    pb_c_base: float = 19652.0
    """Visits of a node at which the weight of the prior has visibly grown (c2 of the paper)."""

    dirichlet_alpha: float = 0.3
    """Concentration of the noise on root priors when collecting: the smaller, the fewer actions it favours."""

    noise_weight: float = 0.25
    """Share of the noise in root priors when collecting; 0 leaves the priors as they are."""

    def __post_init__(self) -> None:
        read_fields(self)
        _require_share("noise_weight", self.noise_weight)
        if not (self.pb_c_init >= 0 and isfinite(self.pb_c_init)):
            raise ConfigError(f"pb_c_init is {self.pb_c_init}; it must be finite and not negative")
        _require_positive("pb_c_base", self.pb_c_base)
        _require_positive("dirichlet_alpha", self.dirichlet_alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class GumbelConfig:
    """How the rule of Danihelka et al. (2022) weighs what it finds."""

    num_considered_actions: int = 16
    """Most actions that a search tries at the root, halved in rounds; all legal ones where those are fewer."""

    c_visit: float = 50.0
    """Visits that are added to those of the most visited action: together they are the weight of values."""

    c_scale: float = 0.1
    """Weight of values against logits, per visit."""

    def __post_init__(self) -> None:
        read_fields(self)
        if self.num_considered_actions < 1:
            raise ConfigError(
                f"num_considered_actions is {self.num_considered_actions}; a search tries at least 1 action"
            )
        _require_positive("c_scale", self.c_scale)
        if not (self.c_visit >= 0 and isfinite(self.c_visit)):
            raise ConfigError(f"c_visit is {self.c_visit}; it must be finite and not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search grows its trees."""

    num_simulations: int = 25
    """Nodes that one search adds below each root; the model is called once for each."""

    discount: float = 0.997
    """Worth of a reward one environment step later; 1 does not discount."""

    min_value_range: float = 0.01
    """Smallest range that values are scaled by, so that differences far below it stay small."""

    rule: RuleKind = "puct"
    """What is selected, played and learnt: puct is MuZero's rule, gumbel that of Gumbel MuZero, for few simulations."""

    puct: PuctConfig = field(default_factory=PuctConfig)
    """The rule puct."""

    gumbel: GumbelConfig = field(default_factory=GumbelConfig)
    """The rule gumbel."""

    @staticmethod
    def upgrade(found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a mapping in which the rule's knobs have a record of their own; earlier versions had all in one."""
        older = {name: found[name] for name in (knob.name for knob in fields(PuctConfig)) if name in found}
        if not older:
            return found
        return {**{name: found[name] for name in found if name not in older}, "puct": older}

    def __post_init__(self) -> None:
        read_fields(self)
        if self.num_simulations < 1:
            raise ConfigError(f"num_simulations is {self.num_simulations}; a search needs at least 1")
        _require_share("discount", self.discount)
        _require_positive("min_value_range", self.min_value_range)
        idle, usual = (self.gumbel, GumbelConfig()) if self.rule == "puct" else (self.puct, PuctConfig())
        if idle != usual:
            names = [each.name for each in fields(idle) if getattr(idle, each.name) != getattr(usual, each.name)]
            is_set = " and ".join(f"{name} is {getattr(idle, name)}" for name in names)
            defaults = " and ".join(f"{name} {getattr(usual, name)}" for name in names)
            raise ConfigError(
                f"{is_set}, which would have no effect with rule={self.rule}; give the default, {defaults}, or choose "
                "another rule"
            )

    @property
    def draws_actions(self) -> bool:
        """Whether actions are drawn by a temperature after a search that explores; if not, the rule sees to it."""
        return self.rule == "puct"

    def without_noise(self) -> "SearchConfig":
        """Return the config of a search that does not mix noise into root priors, even where it explores."""
        return replace(self, puct=replace(self.puct, noise_weight=0.0)) if self.rule == "puct" else self


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} is {value}; it must lie between 0 and 1")


def _require_positive(name: str, value: float) -> None:
    if not (value > 0 and isfinite(value)):
        raise ConfigError(f"{name} is {value}; it must be finite and positive")
