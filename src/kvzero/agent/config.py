"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Literal

import torch

from kvzero.cache import CacheConfig, ManagerSettings, plan_sizes
from kvzero.checks import read_fields
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.records import EnvSpec
from kvzero.search import SearchConfig

__all__ = ["AgentConfig", "EngineKind", "SamplingConfig", "SearchDtype", "StoreKind"]

EngineKind = Literal["auto", "native", "device", "eager"]

SearchDtype = Literal["float32", "bfloat16"]

StoreKind = Literal["tree", "pooled", "legacy"]


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
    """Where keys and values live: at addresses (tree), in pools under keys (pooled), or in the older rings (legacy)."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    """The pools of the keyed stores, pooled and legacy."""

    engine: EngineKind = "auto"
    """What computes a search: native is machine code compiled on first use; device keeps a whole search where the
    network is, and on CUDA replays it as one recording; eager is PyTorch, node by node. auto is native
    where that can serve, else eager; with another choice, a search that it cannot serve is an error."""

    one_pass: bool = False
    """engine=device only: a new node's latent and all its actions pass through the network together, so that a
    simulation waits for one pass, not for two. It is the same search, with 1 + A tokens to a node in place of 2."""

    search_dtype: SearchDtype = "float32"
    """Number type of weights, keys and values in search. With bfloat16 it reads half the bytes and is less precise; the
    weights that are trained stay as they are."""

    def __post_init__(self) -> None:
        read_fields(self)
        if self.num_eval_simulations is not None and self.num_eval_simulations < 1:
            raise ConfigError(f"num_eval_simulations is {self.num_eval_simulations}; search needs at least 1")
        if self.store == "tree" and self.model.layout.is_sliding:
            raise ConfigError(
                "store is tree, which cannot hold windows that slide (positions=learned); "
                "choose store=pooled or store=legacy"
            )
        idle = [name for name in _changed(self.cache) if self.store == "tree" or name in _UNKNOWN_TO[self.store]]
        if idle:
            raise ConfigError(
                f"{', '.join(idle)} would have no effect in a {self.store} store; leave it out, or choose store=pooled"
            )
        if self.one_pass and self.engine != "device":
            raise ConfigError(
                f"one_pass would have no effect with engine={self.engine}; choose engine=device, or leave it out"
            )

    def check_pools(self, *, num_envs: int, num_simulations: int) -> None:
        """Refuse pools that could not serve so many environments and simulations; a tree has none.

        Raises:
            ConfigError: if their sizes do not fit their bounds or their budget.
        """
        if self.store != "tree":
            plan_sizes(self.pool_settings(num_simulations), num_envs, torch.float32, has_scratch=self.store == "pooled")

    def num_kept_actions(self, spec: EnvSpec) -> int:
        """Return how many sampled actions of a search a replay has to keep; 0 where actions are numbered."""
        return self.sampling.num_sampled_actions if spec.is_continuous else 0

    def pool_settings(self, num_simulations: int) -> ManagerSettings:
        """Return what the pools of a planner with so many simulations are built from."""
        return ManagerSettings(layout=self.model.layout, num_simulations=num_simulations, cache=self.cache)


_UNKNOWN_TO: dict[str, tuple[str, ...]] = {
    "pooled": (),
    "legacy": ("eviction", "init_pool_bounds", "recur_pool_bounds"),
}


def _changed(cache: CacheConfig) -> list[str]:
    """Return the names of the settings that are not at their defaults."""
    defaults = CacheConfig()
    return [field.name for field in fields(cache) if getattr(cache, field.name) != getattr(defaults, field.name)]
