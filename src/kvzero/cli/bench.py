"""`kvzero bench search`: simulations per second of a whole search, on this machine, for any shape."""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from kvzero.agent import AgentConfig, EngineKind, Planner, StoreKind
from kvzero.cli.parse import parse
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig, Network
from kvzero.records import EnvSpec
from kvzero.search import SearchConfig
from kvzero.training import choose_device

__all__ = ["SearchBench", "SearchFigures", "bench", "measure_search"]

NUM_FEATURES = 8
WARM_UP_SEARCHES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBench:
    """Measure searches of one shape with random weights: observe, then plan, for all environments."""

    num_envs: int = 8
    """Environments planned for at once."""

    num_simulations: int = 25
    """Simulations per search."""

    num_actions: int = 6
    """Actions per node."""

    embed_dim: int = 64
    """Width of a token."""

    num_layers: int = 2
    """Transformer layers."""

    num_heads: int = 2
    """Attention heads."""

    context_tokens: int = 8
    """Tokens that a token may attend to."""

    support_size: int = 601
    """Bins of reward and value."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number type of weights and cache in search."""

    engine: EngineKind = "auto"
    """What computes the search."""

    device: str = "cpu"
    """Where to search."""

    store: StoreKind = "tree"
    """Which store."""

    num_searches: int = 40
    """Searches measured, after a warm-up."""

    seed: int = 0
    """Seed of weights, observations and search."""

    json: bool = False
    """Print one JSON object instead of a table."""

    def __post_init__(self) -> None:
        if min(self.num_envs, self.num_searches) < 1:
            raise ConfigError(
                f"num_envs is {self.num_envs} and num_searches {self.num_searches}; give at least 1 of each"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFigures:
    """What was measured; times are medians over searches."""

    simulations_per_second: float
    """Simulations of all environments together."""
    simulations_per_second_p10: float
    """The tenth of the searches that was slowest did no more than this."""
    simulations_per_second_p90: float
    """The tenth of the searches that was fastest did at least this."""
    milliseconds_per_simulation: float
    """Time of one simulation, in which every environment gains a node."""
    env_steps_per_second: float
    """Environment steps that could be planned for, observing included."""
    kv_bytes_per_env: int
    """Keys and values held per environment."""
    num_threads: int
    """Threads that PyTorch used."""


def measure_search(config: SearchBench) -> SearchFigures:
    """Run the benchmark."""
    device = choose_device(config.device)
    torch.manual_seed(config.seed)
    model = ModelConfig(
        embed_dim=config.embed_dim,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        context_tokens=config.context_tokens,
        support_size=config.support_size,
    )
    agent = AgentConfig(
        model=model,
        search=SearchConfig(num_simulations=config.num_simulations),
        store=config.store,
        engine=config.engine,
        search_dtype=config.dtype,
    )
    spec = EnvSpec(observation_shape=(NUM_FEATURES,), num_actions=config.num_actions)
    network = Network(model, spec).to(device)
    planner = Planner(network, agent, num_envs=config.num_envs)
    searches, steps = _time_searches(planner, config)
    simulations = config.num_simulations * config.num_envs
    rates = sorted(simulations / seconds for seconds in searches)
    return SearchFigures(
        simulations_per_second=round(statistics.median(rates), 1),
        simulations_per_second_p10=round(rates[len(rates) // 10], 1),
        simulations_per_second_p90=round(rates[-1 - len(rates) // 10], 1),
        milliseconds_per_simulation=round(1000 * statistics.median(searches) / config.num_simulations, 4),
        env_steps_per_second=round(config.num_envs / statistics.median(steps), 1),
        kv_bytes_per_env=planner.store.nbytes // config.num_envs,
        num_threads=torch.get_num_threads(),
    )


def _time_searches(planner: Planner, config: SearchBench) -> tuple[list[float], list[float]]:
    """Return seconds per search, and per observation and search together."""
    rng = np.random.default_rng(config.seed)
    everyone = np.arange(config.num_envs)
    masks = np.ones((config.num_envs, config.num_actions), bool)
    starts, searches, steps = np.ones(config.num_envs, bool), [], []
    for _ in range(WARM_UP_SEARCHES + config.num_searches):
        observations = rng.normal(size=(config.num_envs, NUM_FEATURES)).astype(np.float32)
        actions = rng.integers(config.num_actions, size=config.num_envs)
        before = time.perf_counter()
        planner.observe(everyone, observations, actions=actions, starts=starts)
        observed = time.perf_counter()
        planner.plan(everyone, masks, rng=rng)
        after = time.perf_counter()
        searches.append(after - observed)
        steps.append(after - before)
        starts[:] = False
    return searches[WARM_UP_SEARCHES:], steps[WARM_UP_SEARCHES:]


def bench(arguments: Sequence[str]) -> int:
    """Run `kvzero bench search`."""
    if not arguments or arguments[0] != "search":
        raise ConfigError("say what to measure: kvzero bench search")
    config = parse(SearchBench, arguments[1:], prog="kvzero bench search")
    figures = asdict(measure_search(config))
    if config.json:
        print(json.dumps(figures | {"config": asdict(config), "torch": torch.__version__}))
        return 0
    table = Table("figure", "value", box=None, title="search", title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)
    return 0
