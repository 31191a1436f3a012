"""The knobs of an agent: its network, its search and the store between them."""

from dataclasses import dataclass, field
from typing import Literal

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.search import SearchConfig

__all__ = ["AgentConfig", "EngineKind", "SearchDtype", "StoreKind"]

EngineKind = Literal["auto", "native", "device", "eager"]

SearchDtype = Literal["float32", "bfloat16"]

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

    engine: EngineKind = "auto"
    """What computes a search: native is machine code compiled on first use; device keeps a whole search where the
    network is, and on CUDA replays it as one recording; eager is PyTorch, node by node. auto is the fastest that can
    serve; with another choice, a search that it cannot serve is an error."""

    search_dtype: SearchDtype = "float32"
    """Number type of weights, keys and values in search. With bfloat16 it reads half the bytes and is less precise; the
    weights that are trained stay as they are."""

    def __post_init__(self) -> None:
        if self.num_eval_simulations is not None and self.num_eval_simulations < 1:
            raise ConfigError(f"num_eval_simulations is {self.num_eval_simulations}; search needs at least 1")
        if self.store != "tree":
            raise ConfigError(f"store is {self.store!r}; choose tree")
        if self.engine not in ("auto", "native", "device", "eager"):
            raise ConfigError(f"engine is {self.engine!r}; choose auto, native, device or eager")
        if self.search_dtype not in ("float32", "bfloat16"):
            raise ConfigError(f"search_dtype is {self.search_dtype!r}; choose float32 or bfloat16")
