"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

import torch

from kvzero.cache import CacheConfig, ManagerSettings, plan_sizes
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.search import SearchConfig

__all__ = ["AgentConfig", "StoreKind"]

StoreKind = Literal["tree", "pooled", "legacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """Everything that decides how an agent with given weights acts."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """The search when collecting; evaluation differs in its number of simulations only."""

    num_eval_simulations: int | None = None
    """Simulations per search when evaluating; as many as when collecting if not given."""

    store: StoreKind = "tree"
    """Where keys and values live: at addresses (tree), in pools under keys (pooled), or in the older rings (legacy)."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    """The pools of the keyed stores, pooled and legacy."""

    def __post_init__(self) -> None:
        if self.num_eval_simulations is not None and self.num_eval_simulations < 1:
            raise ConfigError(f"num_eval_simulations is {self.num_eval_simulations}; search needs at least 1")
        if self.store not in get_args(StoreKind):
            raise ConfigError(f"store is {self.store!r}; choose one of {', '.join(get_args(StoreKind))}")
        idle = [name for name in _changed(self.cache) if self.store == "tree" or name in _UNKNOWN_TO[self.store]]
        if idle:
            raise ConfigError(
                f"{', '.join(idle)} would have no effect in a {self.store} store; leave it out, or choose store=pooled"
            )

    def check_pools(self, *, num_envs: int, num_simulations: int) -> None:
        """Refuse pools that could not serve so many environments and simulations; a tree has none.

        Raises:
            ConfigError: if their sizes do not fit their bounds or their budget.
        """
        if self.store != "tree":
            plan_sizes(self.pool_settings(num_simulations), num_envs, torch.float32, has_scratch=self.store == "pooled")

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
