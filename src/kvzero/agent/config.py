"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field, replace

import torch

from kvzero.cache import CacheConfig, ManagerSettings, plan_sizes, read_codec
from kvzero.checks import changed_fields, read_fields
from kvzero.engines import EngineKind, SamplingConfig, SearchDtype, StoreKind
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.records import EnvSpec
from kvzero.search import SearchConfig

__all__ = ["AgentConfig"]


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
    where that can serve, else eager; on CUDA, over a tree of numbered actions, it is the fastest engine that finds what
    eager finds. With another choice, a search that it cannot serve is an error."""

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
        idle = [name for name in changed_fields(self.cache) if self.store == "tree" or name in _UNKNOWN_TO[self.store]]
        if idle:
            raise ConfigError(
                f"{', '.join(idle)} would have no effect in a {self.store} store; leave it out, or choose store=pooled"
            )
        read_codec(self.cache.pool_codec, torch.bfloat16 if self.search_dtype == "bfloat16" else torch.float32)
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

    def with_discount(self, discount: float) -> "AgentConfig":
        """Return the config of an agent that searches with another discount."""
        return replace(self, search=replace(self.search, discount=discount))

    def num_kept_actions(self, spec: EnvSpec) -> int:
        """Return how many sampled actions of a search a replay has to keep; 0 where actions are numbered."""
        return self.sampling.num_sampled_actions if spec.is_continuous else 0

    def pool_settings(self, num_simulations: int) -> ManagerSettings:
        """Return what the pools of a planner with so many simulations are built from."""
        return ManagerSettings(layout=self.model.layout, num_simulations=num_simulations, cache=self.cache)


_UNKNOWN_TO: dict[str, tuple[str, ...]] = {
    "pooled": (),
    "legacy": ("eviction", "init_pool_bounds", "recur_pool_bounds", "pool_codec"),
}
