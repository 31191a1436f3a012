"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field
from typing import Literal

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.search import SearchConfig

__all__ = ["AgentConfig", "StoreKind"]

StoreKind = Literal["tree"]


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
    """Where keys and values live."""

    def __post_init__(self) -> None:
        if self.num_eval_simulations is not None and self.num_eval_simulations < 1:
            raise ConfigError(f"num_eval_simulations is {self.num_eval_simulations}; search needs at least 1")
        if self.store != "tree":
            raise ConfigError(f"store is {self.store!r}; choose tree")
