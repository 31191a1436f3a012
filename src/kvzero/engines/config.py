"""The choices that there are between engines and stores, and the knobs of sampled actions."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from kvzero.checks import read_fields
from kvzero.errors import ConfigError

__all__ = ["EngineKind", "EnginePlan", "SamplingConfig", "SearchDtype", "StoreKind"]

EngineKind = Literal["auto", "native", "device", "eager"]

SearchDtype = Literal["float32", "bfloat16"]

StoreKind = Literal["tree", "pooled", "legacy"]


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """An engine, and what else there is to choose about it."""

    kind: EngineKind
    one_pass: bool = False
    """Whether a new node and all its actions pass through the network together."""

    def __str__(self) -> str:
        """Name it as the settings do."""
        return f"{self.kind}{', one_pass' * self.one_pass}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """Which actions a search considers at a node where actions are continuous (Hubert et al. 2021)."""

    num_sampled_actions: int = 20
    """Continuous actions only: actions drawn from the policy at each node (K of the paper)."""

    num_wide_actions: int = 5
    """Continuous actions only: how many of them come from a wider policy, at the root and when collecting."""

    wide_scale: float = 3.0
    """Continuous actions only: how many times wider that policy is."""

    def __post_init__(self) -> None:
        read_fields(self)
        if self.num_sampled_actions < 2:
            raise ConfigError(f"num_sampled_actions is {self.num_sampled_actions}; a choice needs at least 2")
        if not 0 <= self.num_wide_actions < self.num_sampled_actions:
            raise ConfigError(
                f"num_wide_actions is {self.num_wide_actions}; give 0 or more, and fewer than the "
                f"{self.num_sampled_actions} of num_sampled_actions"
            )
        if not (self.wide_scale > 1 and isfinite(self.wide_scale)):
            raise ConfigError(f"wide_scale is {self.wide_scale}; give a finite number above 1")
