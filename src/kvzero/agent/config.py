"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.search import SearchConfig

__all__ = ["AgentConfig", "SamplingConfig", "StoreKind"]

StoreKind = Literal["tree"]


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
        if self.num_sampled_actions < 2:
            raise ConfigError(f"num_sampled_actions is {self.num_sampled_actions}; a choice needs at least 2")
        if not 0 <= self.num_wide_actions < self.num_sampled_actions:
            raise ConfigError(
                f"num_wide_actions is {self.num_wide_actions}; give 0 or more, and fewer than the "
                f"{self.num_sampled_actions} of num_sampled_actions"
            )
        if not (self.wide_scale > 1 and isfinite(self.wide_scale)):
            raise ConfigError(f"wide_scale is {self.wide_scale}; give a finite number above 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """Everything that decides how an agent with given weights acts."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """The search when collecting; evaluation differs in its number of simulations only."""

    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Which continuous actions are considered; without effect, and so refused, where actions are numbered."""

    num_eval_simulations: int | None = None
    """Simulations per search when evaluating; as many as when collecting if not given."""

    store: StoreKind = "tree"
    """Where keys and values live."""

    def __post_init__(self) -> None:
        if self.num_eval_simulations is not None and self.num_eval_simulations < 1:
            raise ConfigError(f"num_eval_simulations is {self.num_eval_simulations}; search needs at least 1")
        if self.store != "tree":
            raise ConfigError(f"store is {self.store!r}; choose tree")
