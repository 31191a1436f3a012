"""What a benchmark of the search can be asked: a shape, a number type, a store, and what to hold it against."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kvzero.agent import AgentConfig
from kvzero.checks import check_field
from kvzero.engines import EngineKind, SamplingConfig, StoreKind
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.records import EnvSpec
from kvzero.search import RuleKind, SearchConfig

__all__ = ["NumberType", "SearchBench"]

NumberType = Literal["float32", "bfloat16"]

NUM_ACTIONS = 6
NUM_FEATURES = 8
NUM_PAIRS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBench:
    """Measure searches of one shape with random weights: observe, then plan, for all environments."""

    num_envs: int = 8
    """Environments planned for at once (B)."""

    num_simulations: int = 25
    """Simulations per search (S)."""

    rule: RuleKind = "puct"
    """Rule by which trees grow."""

    num_actions: int = NUM_ACTIONS
    """Actions per node (A)."""

    action_dim: int = 0
    """Numbers of one continuous action, in place of numbered actions."""

    num_sampled_actions: int | None = None
    """Continuous actions drawn at each node (K); 20 if not given."""

    embed_dim: int = 64
    """Width of a token (E)."""

    num_layers: int = 2
    """Transformer layers (L)."""

    num_heads: int = 2
    """Attention heads (h)."""

    context_tokens: int = 8
    """Tokens that a token may attend to (C)."""

    support_size: int = 601
    """Bins of reward and value."""

    head_expansion: int = 1
    """Width of the hidden layer of each prediction head, in multiples of E; LightZero's heads have 4."""

    random_heads: bool = False
    """Draw the last layers of the heads too, which start at zero: trees grow deeper, as if values differed much."""

    dtype: NumberType = "float32"
    """Number type of weights and cache in search."""

    engine: EngineKind = "auto"
    """What computes the search: native is machine code, device all of it where the network is, eager PyTorch; auto is
    native where that can serve, else eager; on a GPU it is the fastest that finds what eager finds."""

    one_pass: bool = False
    """engine=device only: pass a new node's latent and all its actions together, one pass to a simulation."""

    device: str = "cpu"
    """Where to search."""

    store: StoreKind = "tree"
    """Which store."""

    peer: Literal["mctx"] | None = None
    """Search the same shape with this library too, in turns with kvzero; needs the extra `bench`."""

    num_pairs: int | None = None
    """Pairs of turns with the peer; 8 if not given."""

    num_searches: int = 40
    """Searches measured, after a warm-up; with a peer, at least as many, in all pairs together."""

    num_threads: int | None = None
    """Threads of PyTorch, and of the peer; as many as PyTorch chooses if not given."""

    sweep: Path | None = None
    """Also measure what S, B, C and E cost, each changed alone, and draw it into this PNG file."""

    seed: int = 0
    """Seed of weights, observations and search."""

    def __post_init__(self) -> None:
        if min(self.num_envs, self.num_searches) < 1:
            raise ConfigError(
                f"num_envs is {self.num_envs} and num_searches {self.num_searches}; give at least 1 of each"
            )
        self._check_actions()
        check_field(self, "num_threads", lambda value: value is None or value >= 1, "give at least 1")
        check_field(self, "seed", lambda value: value >= 0, "give 0 or more")
        if self.num_pairs is not None and self.peer is None:
            raise ConfigError(f"num_pairs is {self.num_pairs}, but there is nobody to take turns with; add --peer mctx")
        check_field(self, "num_pairs", lambda value: value is None or value >= 1, "give at least 1")
        if self.peer is not None and self.rule != "puct":
            raise ConfigError(f"{self.peer} is measured with the rule puct only; leave out --peer or --rule")

    def _check_actions(self) -> None:
        if self.action_dim and self.num_actions != NUM_ACTIONS:
            raise ConfigError(
                f"num_actions is {self.num_actions} and action_dim {self.action_dim}; measure one kind of action"
            )
        if self.action_dim and self.peer is not None:
            raise ConfigError(f"{self.peer} is measured with numbered actions only; leave out --peer or --action-dim")
        if not self.action_dim and self.num_sampled_actions is not None:
            raise ConfigError(
                f"num_sampled_actions is {self.num_sampled_actions}, but numbers are not drawn; add --action-dim"
            )

    @property
    def spec(self) -> EnvSpec:
        """What is shown, and the kind of actions."""
        num_actions = 0 if self.action_dim else self.num_actions
        return EnvSpec(observation_shape=(NUM_FEATURES,), num_actions=num_actions, action_dim=self.action_dim)

    @property
    def policy_size(self) -> int:
        """Numbers that the policy head gives."""
        return 2 * self.action_dim or self.num_actions

    @property
    def pairs(self) -> int:
        """How many pairs of turns a contest has."""
        return NUM_PAIRS if self.num_pairs is None else self.num_pairs

    @property
    def agent(self) -> AgentConfig:
        """The agent whose search is measured."""
        model = ModelConfig(
            embed_dim=self.embed_dim,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            context_tokens=self.context_tokens,
            support_size=self.support_size,
            head_expansion=self.head_expansion,
        )
        return AgentConfig(
            model=model,
            search=SearchConfig(num_simulations=self.num_simulations, rule=self.rule),
            sampling=SamplingConfig() if self.num_sampled_actions is None else _sampling(self.num_sampled_actions),
            store=self.store,
            engine=self.engine,
            one_pass=self.one_pass,
            search_dtype=self.dtype,
        )


def _sampling(num_sampled_actions: int) -> SamplingConfig:
    """Return the default share of wide proposals for any number of actions."""
    usual = SamplingConfig()
    num_wide = num_sampled_actions * usual.num_wide_actions // usual.num_sampled_actions
    return SamplingConfig(num_sampled_actions=num_sampled_actions, num_wide_actions=num_wide)
