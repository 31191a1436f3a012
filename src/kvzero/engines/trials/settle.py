"""What `auto` means on a GPU: the fastest engine that finds what the eager one finds, tried on a sample."""

import logging
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from kvzero.cache import CacheConfig
from kvzero.engines.build import build_engine
from kvzero.engines.config import EnginePlan, SamplingConfig, SearchDtype, StoreKind
from kvzero.engines.device.noisy_copy import copy_with_noise
from kvzero.engines.engine import Engine
from kvzero.engines.search_network import SearchNetwork
from kvzero.engines.stores import build_store
from kvzero.engines.trials.distance import distance_of
from kvzero.engines.trials.fastest import Candidate, Measure, Trial, choose_fastest
from kvzero.model import ModelConfig
from kvzero.records import EnvSpec
from kvzero.search import Outcome, SearchConfig

__all__ = ["choose_engine", "measure_seconds", "settle_engine"]

logger = logging.getLogger(__name__)

REFERENCE = EnginePlan("eager")
OTHERS = (EnginePlan("device"), EnginePlan("device", one_pass=True))

MOST_SIMULATIONS = 8
NUM_STEPS = 3
NUM_SEARCHES = 5

TOLERANCES: dict[SearchDtype, float] = {"float32": 1e-3, "bfloat16": 0.25}
"""How far an engine may be from the eager one, as a share of the largest number; matrices may be multiplied in TF32."""


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a trial is made of but the numbers in the weights, to which it adds noise."""

    model: ModelConfig
    spec: EnvSpec
    encoder: type
    """An encoder may be given, whatever the config says."""

    search: SearchConfig
    num_envs: int
    weights_dtype: torch.dtype
    search_dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, network: SearchNetwork, search: SearchConfig, num_envs: int) -> "_Case":
        source = network.source
        return cls(
            source.config,
            source.spec,
            type(source.encoder),
            _shorten(search),
            num_envs,
            source.action_table.weight.dtype,
            network.dtype,
            source.device,
        )


_settled: dict[_Case, EnginePlan] = {}
"""What trials came to in this process."""


def settle_engine(
    asked: EnginePlan, network: SearchNetwork, store: StoreKind, search: SearchConfig, *, num_envs: int
) -> EnginePlan:
    """Return what is to compute searches; only `auto` on a GPU, over a tree of numbered actions, is ever changed.

    A process tries once what it is asked again and again, as by every evaluation, and stays with what that came to.
    """
    source = network.source
    if asked.kind != "auto" or source.device.type != "cuda" or store != "tree" or source.spec.is_continuous:
        return asked
    case = _Case.of(network, search, num_envs)
    if case not in _settled:
        _settled[case] = choose_engine(network, search, num_envs=num_envs)
    return _settled[case]


def measure_seconds(trial: Trial) -> float:
    """Return the median of a few searches' seconds; the first search of a trial, which may record, lies behind it."""
    seconds = []
    for _ in range(NUM_SEARCHES):
        before = time.perf_counter()
        trial.search()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def choose_engine(
    network: SearchNetwork, search: SearchConfig, *, num_envs: int, measure: Measure = measure_seconds
) -> EnginePlan:
    """Return the fastest engine that finds what the eager one finds, and say in the log which and why.

    All search the same random roots, as many as will be searched together, with a few simulations and with noise in
    the weights.
    """
    sample = _Sample(network, _shorten(search), num_envs)
    choice = choose_fastest(
        sample.candidate(REFERENCE),
        [sample.candidate(plan) for plan in OTHERS],
        measure=measure,
        distance=distance_of,
        tolerance=TOLERANCES["bfloat16" if network.dtype == torch.bfloat16 else "float32"],
    )
    level = logging.WARNING if choice.has_faults else logging.INFO
    logger.log(level, "searching %d roots on %s with %s", num_envs, network.source.device, choice)
    return choice.plan


def _shorten(search: SearchConfig) -> SearchConfig:
    """Return what is tried: few simulations, and whatever the discount, which may move, the usual one."""
    few = min(search.num_simulations, MOST_SIMULATIONS)
    return replace(search, num_simulations=few, discount=SearchConfig().discount)


class _Sample:
    """Roots that all candidates search."""

    def __init__(self, network: SearchNetwork, search: SearchConfig, num_envs: int) -> None:
        dtype: SearchDtype = "bfloat16" if network.dtype == torch.bfloat16 else "float32"
        self._network = SearchNetwork(copy_with_noise(network.source), dtype)
        self._search = search
        self._num_envs = num_envs

    def candidate(self, plan: EnginePlan) -> Candidate:
        return Candidate(plan, lambda: self._begin(plan))

    def _begin(self, plan: EnginePlan) -> "_EngineTrial":
        store = build_store(
            "tree",
            self._network,
            CacheConfig(),
            num_envs=self._num_envs,
            num_simulations=self._search.num_simulations,
            has_all_actions=plan.one_pass,
        )
        engine = build_engine(plan.kind, self._network, store, self._search, SamplingConfig())
        spec, rng, everyone = self._network.source.spec, np.random.default_rng(0), np.arange(self._num_envs)
        for _ in range(NUM_STEPS):
            seen = rng.random((self._num_envs, *spec.observation_shape)) * (255 if spec.is_image else 1)
            actions = rng.integers(spec.num_actions, size=self._num_envs)
            engine.extend(everyone, seen.astype(spec.observation_dtype), actions)
        return _EngineTrial(engine, np.ones((self._num_envs, spec.num_actions), bool))


class _EngineTrial:
    """An engine that searches its roots without chance."""

    def __init__(self, engine: Engine, action_masks: np.ndarray) -> None:
        self._engine = engine
        self._masks = action_masks

    def search(self) -> Outcome:
        return self._engine.search(np.arange(len(self._masks)), self._masks, rng=None)
