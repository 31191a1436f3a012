"""A random life of several environments, in which every prediction through the cache is held against the reference."""

import os
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Literal

import numpy as np
import pytest
import torch
from gymnasium import Space
from tests.engines.python_expander import PythonExpander, search_in_python
from tests.equivalence.reference import Path

from kvzero.agent import AgentConfig, Planner
from kvzero.cache import CacheConfig
from kvzero.engines import EngineKind, SearchDtype, StoreKind
from kvzero.engines.device import DeviceEngine
from kvzero.engines.device.expanders import OnePassExpander
from kvzero.engines.device.recordings import DirectRecorder, Recordings
from kvzero.envs.observations import read_observation_space
from kvzero.model import Expansion, ModelConfig, Network, NodeStepper, SlidingStepper
from kvzero.records import EnvSpec
from kvzero.search import DeviceEvaluation, DeviceLeaves, Evaluation, Leaves, Outcome, RuleKind, SearchConfig

DEVICE = torch.device(os.environ.get("KVZERO_TEST_DEVICE", "cpu"))
"""Where the networks of all lives are; `make gpu` sets it."""

TOLERANCE = 1e-5 if DEVICE.type == "cpu" else 1e-4
"""Largest difference in float32. On a GPU sums are formed in another order, and in float32 as well: without TF32."""

if DEVICE.type == "cuda":
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

Engine = EngineKind | Literal["one_pass"]
"""What computes a search; one_pass is the device engine that evaluates all actions of a new node together."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one scenario."""

    model: ModelConfig
    spec: EnvSpec
    num_envs: int = 3
    num_simulations: int = 7
    num_steps: int = 30
    episode_steps: int = 40
    store: StoreKind = "tree"
    rule: RuleKind = "puct"
    cache: CacheConfig = field(default_factory=CacheConfig)
    space: Space | None = None
    """What an environment gives at random, to be read as its `spec` says; without one the spec's numbers are shown."""


def shape_of(space: Space, model: ModelConfig, **sizes: int) -> Shape:
    """Return the sizes of a scenario of three actions whose observations come out of a Gymnasium space."""
    return Shape(model, replace(read_observation_space(space, "random").spec, num_actions=3), space=space, **sizes)


def random_network(shape: Shape, seed: int) -> Network:
    """Return a network none of whose weights is zero or so small that a mistake would drown."""
    torch.manual_seed(seed)
    network = Network(shape.model, shape.spec)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * 0.15)
        if network.normaliser is not None:  # as if it had seen something
            network.normaliser.mean.normal_()
            network.normaliser.variance.uniform_(0.5, 2.0)
    return network


def action_of(outcome: Outcome, row: int, node: int) -> int | np.ndarray:
    """Return the action that leads to a node of a tree."""
    tree = outcome.tree
    action = int(tree.actions[row, node])
    return action if outcome.action_sets is None else outcome.action_sets[row, tree.parents[row, node], action]


class Recorder:
    """An expander that keeps what a native one says, latents included; being Python, it is asked from Python."""

    def __init__(self, expander: PythonExpander, life: "Life") -> None:
        self._expander = expander
        self._life = life

    def expand(self, leaves: Leaves) -> Evaluation:
        found = self._expander.expand(leaves)
        self._life.asked.append(self._expander.choices.find(leaves).cpu().numpy())
        self._life.expansions.append(self._expander.expansion)
        return found


class Life:
    """Environments that show random observations, the planner that watches them, and their reference paths."""

    def __init__(
        self,
        shape: Shape,
        seed: int,
        *,
        network: Network | None = None,
        engine: Engine = "eager",
        dtype: SearchDtype = "float32",
        tolerance: float = TOLERANCE,
    ) -> None:
        self.shape = shape
        self.rng = np.random.default_rng(seed)
        if shape.space is not None:
            shape.space.seed(seed)
        self.network = network or random_network(shape, seed).to(DEVICE)
        self.config = AgentConfig(
            model=shape.model,
            search=SearchConfig(num_simulations=shape.num_simulations, rule=shape.rule),
            store=shape.store,
            cache=shape.cache,
            engine="device" if engine == "one_pass" else engine,
            one_pass=engine == "one_pass",
            search_dtype=dtype,
        )
        self.tolerance = tolerance
        self.planner = Planner(self.network, self.config, num_envs=shape.num_envs)
        if DEVICE.type == "cuda":
            self._record_nothing()
        self.actions = shape.spec.blank_actions(shape.num_envs)
        self.observed: list[list[np.ndarray]] = [[] for _ in range(shape.num_envs)]
        self.taken: list[list[int | np.ndarray]] = [[] for _ in range(shape.num_envs)]
        self.roll_overs = 0
        self.worst = 0.0
        self.expansions: list[Expansion] = []
        self.asked: list[np.ndarray] = []

    def observe(self, envs: np.ndarray) -> None:
        """Let these environments move on by one step; some of them begin a new episode."""
        starts = np.array([self._is_over(env) for env in envs])
        observations = np.stack([self._look() for _ in envs])
        for env, start, observation in zip(envs, starts, observations, strict=True):
            if start:
                self.observed[env], self.taken[env] = [observation], []
            else:
                self.observed[env].append(observation)
                self.taken[env].append(self.actions[env].copy())
                self._count_roll_over(env)
        self.planner.observe(envs, observations, actions=self.actions[envs], starts=starts)

    def plan(self, envs: np.ndarray, *, explore: bool = True) -> Outcome:
        """Search, check every node, and act at random so that paths are diverse."""
        self.expansions.clear()
        self.asked.clear()
        masks = np.ones((len(envs), self.shape.spec.num_actions), bool)
        with pytest.MonkeyPatch.context() as patch:
            self._record(patch)
            outcome = self._search(envs, masks, self.rng if explore else None)
        self.actions[envs] = self._choose(len(envs))
        return outcome

    def _search(self, envs: np.ndarray, masks: np.ndarray, rng: np.random.Generator | None) -> Outcome:
        return self.planner.plan(envs, masks, rng=rng)

    def _record_nothing(self) -> None:
        """Let a search on the device be done launch by launch: of a replayed recording nothing could be kept."""
        if isinstance(self.planner.engine, DeviceEngine):
            self.planner.engine._recordings = Recordings(DirectRecorder())

    def _record(self, patch: pytest.MonkeyPatch) -> None:
        """Keep all expansions of the search that follows, by either engine."""
        kind = SlidingStepper if self.shape.model.layout.is_sliding else NodeStepper
        step = kind.__call__

        def keep(stepper: NodeStepper | SlidingStepper, actions: torch.Tensor, *rest: object) -> Expansion:
            self.asked.append(actions.cpu().numpy())
            self.expansions.append(step(stepper, actions, *rest))
            return self.expansions[-1]

        look_up = OnePassExpander.look_up

        def keep_looked_up(expander: OnePassExpander, leaves: DeviceLeaves) -> Expansion:
            self.asked.append(leaves.actions.cpu().numpy().copy())
            self.expansions.append(look_up(expander, leaves))
            return self.expansions[-1]

        patch.setattr(kind, "__call__", keep)
        patch.setattr(OnePassExpander, "look_up", keep_looked_up)
        if find_spec("triton") is not None:
            self._record_kernels(patch)
        search_in_python(patch, lambda expander: Recorder(expander, self))

    def _record_kernels(self, patch: pytest.MonkeyPatch) -> None:
        """Keep what kernels expand, where there are any."""
        from kvzero.engines.device.fused_one_pass import FusedExpander  # noqa: PLC0415  # optional

        expand = FusedExpander.expand

        def keep(expander: FusedExpander, leaves: DeviceLeaves) -> DeviceEvaluation:
            rows = torch.arange(len(leaves.actions), device=leaves.actions.device)
            latents = expander._held.latents[rows, leaves.parents, leaves.actions]
            found = expand(expander, leaves)
            self.asked.append(leaves.actions.cpu().numpy().copy())
            self.expansions.append(
                Expansion(found.rewards.clone(), found.values.clone(), found.logits.clone(), latents)
            )
            return found

        patch.setattr(FusedExpander, "expand", keep)

    def some_envs(self) -> np.ndarray:
        """Return a random subset of the environments in random order, never an empty one."""
        size = int(self.rng.integers(1, self.shape.num_envs + 1))
        return self.rng.permutation(self.shape.num_envs)[:size]

    def update_weights(self) -> None:
        """Move every weight a little, as an optimiser does."""
        with torch.no_grad():
            for weights in self.network.parameters():
                weights.add_(torch.randn_like(weights) * 0.02)

    def path(self, env: int) -> Path:
        """Return the reference path of an environment's episode so far, with the weights of now."""
        path = Path(self.network)
        for index, observation in enumerate(self.observed[env]):
            path.see(observation, self.taken[env][index - 1] if index else None)
        return path

    @torch.no_grad()
    def check(self, envs: np.ndarray, outcome: Outcome) -> None:
        """Hold roots and every node of a search against one uncached forward each."""
        readings = self.planner.engine.readings(envs)
        for row, env in enumerate(envs):
            root = self.path(env)
            value, logits = root.read()
            self._compare(readings.values[row], value)
            self._compare(readings.policy_logits[row], logits)
            paths = {0: root}
            for node in range(1, self.shape.num_simulations + 1):
                self._check_node(paths, row, node, outcome)
        assert self.worst <= self.tolerance, f"largest difference {self.worst}"

    def _check_node(self, paths: dict[int, Path], row: int, node: int, outcome: Outcome) -> None:
        tree, expansion = outcome.tree, self.expansions[node - 1]
        path = paths[int(tree.parents[row, node])].fork()
        reward, latent = path.step(action_of(outcome, row, node))
        np.testing.assert_array_equal(self.asked[node - 1][row], path.actions[-1])
        value, logits = path.read()
        paths[node] = path
        self._compare(expansion.rewards[row], reward)
        self._compare(expansion.latents[row], latent)
        self._compare(expansion.values[row], value)
        self._compare(expansion.policy_logits[row], logits)

    def _compare(self, found: object, wanted: torch.Tensor) -> None:
        difference = (torch.as_tensor(found).cpu() - wanted.cpu()).abs().max()
        assert difference.isfinite(), "a prediction is not finite"
        self.worst = max(self.worst, float(difference))

    def _choose(self, num_envs: int) -> np.ndarray:
        spec = self.shape.spec
        if spec.is_continuous:
            return self.rng.uniform(-1, 1, (num_envs, spec.action_dim)).astype(np.float32)
        return self.rng.integers(spec.num_actions, size=num_envs)

    def _count_roll_over(self, env: int) -> None:
        """Count each time that the ring of an environment wraps."""
        tokens, context = 2 * len(self.observed[env]) - 1, self.shape.model.context_tokens
        self.roll_overs += tokens // context > (tokens - 2) // context

    def _is_over(self, env: int) -> bool:
        return not self.observed[env] or len(self.observed[env]) >= self.shape.episode_steps - 7 * env

    def _look(self) -> np.ndarray:
        shape, space = self.shape.spec.observation_shape, self.shape.space
        if space is not None:
            return read_observation_space(space, "random").convert(space.sample())
        if self.shape.spec.is_image:
            return self.rng.integers(256, size=shape, dtype=np.uint8)
        return self.rng.normal(size=shape).astype(np.float32)
