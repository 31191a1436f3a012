"""What rounding keys and values saves and costs: bytes, time, and errors of searches in games of a trained agent."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
import torch

from kvzero.agent import AgentConfig, Planner, load_network, read_checkpoint, refuse_changed
from kvzero.cache import CacheConfig, CodecName, coded_context_bytes, from_bytes, is_lossy, to_bytes
from kvzero.checks import check_field
from kvzero.envs import Environments, make_environments
from kvzero.model import Network, choose_device
from kvzero.search import Outcome
from kvzero.training import evaluate, read_config

__all__ = ["CodecBench", "CodecCost", "CodecErrors", "CodecFigures", "measure_codecs"]

Coded = Literal["root", "every node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecBench:
    """Hold searches over rounded keys and values against exact ones, in games of a run's newest checkpoint."""

    num_searches: int = 200
    """Searches to compare."""

    num_timed: int = 200
    """Times that a context is coded and decoded, of which the median counts."""

    seed: int = 0
    """Seed of the environment."""

    device: str = "auto"
    """Where the network lives."""

    def __post_init__(self) -> None:
        for name in ("num_searches", "num_timed"):
            check_field(self, name, lambda value: value >= 1, "give at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecCost:
    """What one context takes."""

    codec: CodecName
    """How it is written."""

    bytes: int
    """Its size."""

    times_smaller: float
    """Size of what is not coded over this."""

    encode_microseconds: float
    """Time to make bytes of it."""

    decode_microseconds: float
    """Time to make numbers of the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecErrors:
    """How far searches over rounded numbers are from exact ones."""

    codec: CodecName
    """How keys and values were rounded."""

    coded: Coded
    """Whether only the root's context was, one step earlier, as in an agent that was saved and loaded, or every node's,
    as in pools."""

    value_error_mean: float
    """Error of the network's value of the root."""

    value_error_max: float
    """The largest of them."""

    policy_error_mean: float
    """Error of the policy head's numbers at the root: logits, or means and log-scales."""

    policy_error_max: float
    """The largest of them."""

    search_value_error_mean: float
    """Error of the value that the search found."""

    search_value_error_max: float
    """The largest of them."""

    visits_changed_percent: float
    """Searches in which any action was visited more or less often."""

    actions_changed_percent: float
    """Searches that would have played another action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecFigures:
    """What was measured."""

    checkpoint: str
    """The checkpoint that played."""

    num_searches: int
    """Searches compared."""

    num_games: int
    """Games that ended meanwhile."""

    mean_absolute_value: float
    """Mean size of the network's values at the roots."""

    costs: tuple[CodecCost, ...]
    """What one context takes, by codec."""

    errors: tuple[CodecErrors, ...]
    """Errors by codec and by what was coded."""


def measure_codecs(run: Path, bench: CodecBench) -> CodecFigures:
    """Play with a run's agent, exactly, and let agents with rounded keys and values plan for the same observations.

    `run` is its folder, or the file of an agent that was exported. All plan with PyTorch, node by node, in pools, and
    in the number type of the weights.

    Raises:
        RunError: if the folder is not that of a run or holds no checkpoint.
        CheckpointError: if the checkpoint is damaged, or the environment has changed since.
        ConfigError: if the agent's contexts cannot be found again exactly, so that there is nothing to compare with.
    """
    device = choose_device(bench.device)
    checkpoint, (network, agent) = read_checkpoint(run, lambda found: (found, load_network(found, device)))
    config = read_config(run)
    envs = make_environments(config.env, num_envs=1, training=False)
    with closing(envs):
        refuse_changed(envs.spec, network.spec, checkpoint)
        watched = WatchedPlanner(network, _in_pools(agent, "none"))
        num_games = _play(envs, watched, bench)
    return CodecFigures(
        checkpoint=checkpoint.name,
        num_searches=len(watched.values),
        num_games=num_games,
        mean_absolute_value=fmean(map(abs, watched.values)),
        costs=tuple(_measure_cost(codec, watched.context(), agent, bench.num_timed) for codec in get_args(CodecName)),
        errors=tuple(follower.sum_up() for follower in watched.followers),
    )


def _in_pools(agent: AgentConfig, codec: CodecName) -> AgentConfig:
    """Return a config whose contexts are all kept in pools, coded."""
    cache = CacheConfig(pool_codec=codec)
    return replace(agent, store="pooled", cache=cache, engine="eager", one_pass=False, search_dtype="float32")


def _play(envs: Environments, watched: "WatchedPlanner", bench: CodecBench) -> int:
    """Play until there are enough searches; return how many games have ended."""
    games = evaluate(
        envs,
        watched,
        num_episodes=bench.num_searches,
        seed=bench.seed,
        should_stop=lambda: len(watched.values) >= bench.num_searches,
    )
    return len(games.returns)


@dataclass(slots=True)
class _Follower:
    """A planner with rounded contexts that sees what the exact one sees."""

    codec: CodecName
    coded: Coded
    planner: Planner
    value_errors: list[float] = field(default_factory=list)
    policy_errors: list[np.ndarray] = field(default_factory=list)
    search_value_errors: list[float] = field(default_factory=list)
    num_other_visits: int = 0
    num_other_actions: int = 0

    def compare(self, envs: np.ndarray, outcome: Outcome, exact: Planner, wanted: Outcome) -> None:
        """Hold one search against the exact one."""
        reading, held = self.planner.engine.readings(envs), exact.engine.readings(envs)
        self.value_errors.append(float((reading.values - held.values).abs()))
        self.policy_errors.append((reading.policy_logits - held.policy_logits).abs().cpu().numpy())
        self.search_value_errors.append(float(np.abs(outcome.values - wanted.values).item()))
        self.num_other_visits += bool((outcome.visit_counts != wanted.visit_counts).any())
        self.num_other_actions += bool((outcome.chosen != wanted.chosen).any())

    def sum_up(self) -> CodecErrors:
        """Return what was found."""
        num_searches = len(self.value_errors)
        return CodecErrors(
            codec=self.codec,
            coded=self.coded,
            value_error_mean=fmean(self.value_errors),
            value_error_max=max(self.value_errors),
            policy_error_mean=float(np.mean(self.policy_errors)),
            policy_error_max=float(np.max(self.policy_errors)),
            search_value_error_mean=fmean(self.search_value_errors),
            search_value_error_max=max(self.search_value_errors),
            visits_changed_percent=100 * self.num_other_visits / num_searches,
            actions_changed_percent=100 * self.num_other_actions / num_searches,
        )


class WatchedPlanner(Planner):
    """Plans exactly for one environment, and is followed by planners with rounded contexts."""

    def __init__(self, network: Network, agent: AgentConfig) -> None:
        def make(codec: CodecName) -> Planner:
            return Planner(network, _in_pools(agent, codec), num_envs=1, num_simulations=agent.num_eval_simulations)

        super().__init__(network, agent, num_envs=1, num_simulations=agent.num_eval_simulations)
        codecs = get_args(CodecName)
        self.followers = [_Follower(codec, "root", make("none")) for codec in codecs]
        self.followers += [_Follower(codec, "every node", make(codec)) for codec in codecs if is_lossy(codec)]
        self.network = network
        self.values: list[float] = []
        """What the network says of each root."""

    def context(self) -> torch.Tensor:
        """Return the keys and values of the newest root."""
        return self.store.read_roots(np.arange(1), self.network.version).keys_values[0, :-2].cpu()

    def observe(self, *arguments: Any, **options: Any) -> None:
        """Give the contexts of now to those whose roots are rounded, and let all take in what is seen."""
        with TemporaryDirectory() as folder:
            for follower in self.followers:
                if follower.coded == "root":
                    self.save_contexts(folder, codec=follower.codec)
                    follower.planner.load_contexts(folder)
        for planner in [follower.planner for follower in self.followers]:
            planner.observe(*arguments, **options)
        super().observe(*arguments, **options)

    def plan(self, envs: np.ndarray, *arguments: Any, **options: Any) -> Outcome:
        """Search, and compare."""
        wanted = super().plan(envs, *arguments, **options)
        self.values.append(float(self.engine.readings(envs).values))
        for follower in self.followers:
            follower.compare(envs, follower.planner.plan(envs, *arguments, **options), self, wanted)
        return wanted


def _measure_cost(codec: CodecName, context: torch.Tensor, agent: AgentConfig, num_timed: int) -> CodecCost:
    """Code and decode a context."""
    layout = agent.model.layout
    coded = to_bytes(codec, context)
    num_bytes = coded_context_bytes(codec, layout, context.dtype)
    return CodecCost(
        codec=codec,
        bytes=num_bytes,
        times_smaller=round(layout.context_bytes(context.dtype) / num_bytes, 3),
        encode_microseconds=_time(lambda: to_bytes(codec, context), num_timed),
        decode_microseconds=_time(lambda: from_bytes(codec, coded, context.shape, context.dtype), num_timed),
    )


def _time(work: Callable[[], bytes | torch.Tensor], num_times: int) -> float:
    """Return the median time of one call in microseconds."""
    times = []
    for _ in range(num_times):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return round(1e6 * median(times), 2)
