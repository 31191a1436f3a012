"""A whole search through the cache visits what a search that recomputes everything visits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence.reference import Path
from tests.equivalence.scenario import Engine, Life
from tests.equivalence.test_exactness import SHAPES

from kvzero.search import Evaluation, Leaves, Outcome, Roots, RuleKind, search


class RecomputingExpander:
    """Evaluates a node by one uncached forward over its whole path."""

    def __init__(self, roots: list[Path], choices: "Numbered | Drawn") -> None:
        self._paths = [{0: root} for root in roots]
        self._choices = choices

    @torch.no_grad()
    def expand(self, leaves: Leaves) -> Evaluation:
        rewards, values, logits = [], [], []
        for row, (paths, parent) in enumerate(zip(self._paths, leaves.parents, strict=True)):
            path = paths[int(parent)].fork()
            reward, _ = path.step(self._choices.find(row, int(parent), int(leaves.actions[row])))
            value, policy = path.read()
            policy = self._choices.offer(row, leaves.node, policy)
            paths[leaves.node] = path
            rewards.append(reward)
            values.append(value)
            logits.append(policy)
        return Evaluation(*(torch.stack(column).cpu().numpy() for column in (rewards, values, logits)))


class Numbered:
    """The same actions at every node."""

    def find(self, row: int, node: int, index: int) -> int:
        return index

    def offer(self, row: int, node: int, policy: torch.Tensor) -> torch.Tensor:
        return policy


class Drawn:
    """Actions of a search without exploration: squashed normal numbers of a fixed table, all equally likely."""

    def __init__(self, num_simulations: int, num_choices: int, action_dim: int) -> None:
        noise = np.random.default_rng(0).standard_normal((num_simulations + 1, num_choices, action_dim), np.float32)
        noise[0, 0] = 0
        self._noise = noise
        self._drawn: dict[tuple[int, int], np.ndarray] = {}

    def find(self, row: int, node: int, index: int) -> np.ndarray:
        return self._drawn[row, node][index]

    def offer(self, row: int, node: int, policy: torch.Tensor) -> torch.Tensor:
        means, scales = np.split(policy.double().cpu().numpy(), 2)
        means, scales = 3 * np.tanh(means / 3), np.exp(-3 + 4 / (1 + np.exp(-scales) / 3))
        numbers = np.clip(means + scales * self._noise[node], -4, 4)
        self._drawn[row, node] = np.tanh(numbers).astype(np.float32)
        return torch.zeros(len(numbers))


@pytest.mark.parametrize(
    ("name", "engine", "rule"),
    [
        *(
            (n, e, rule)
            for n in ("vector", "image", "three_layers_layernorm")
            for e in ("device", "one_pass")
            for rule in ("puct", "gumbel")
        ),
        *(
            (n, e, rule)
            for n in ("vector", "image", "three_layers_layernorm", "continuous")
            for e in ("eager", "native")
            for rule in ("puct", "gumbel")
        ),
    ],
)
def test_a_search_finds_what_one_finds_that_recomputes_everything(name: str, engine: Engine, rule: RuleKind) -> None:
    shape = replace(SHAPES[name], rule=rule)
    life = Life(shape, seed=6, engine=engine)
    for step in range(16):
        envs = life.some_envs()
        life.observe(envs)
        cached = life.plan(envs, explore=False)
        if step % 5 == 0:
            recomputed = search_anew(life, envs)
            np.testing.assert_array_equal(cached.visit_counts, recomputed.visit_counts)
            np.testing.assert_array_equal(cached.chosen, recomputed.chosen)
            np.testing.assert_allclose(cached.policy, recomputed.policy, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def search_anew(life: Life, envs: np.ndarray) -> Outcome:
    paths = [life.path(env) for env in envs]
    readings = [path.read() for path in paths]
    spec, num_choices = life.shape.spec, life.config.sampling.num_sampled_actions
    choices = Drawn(life.shape.num_simulations, num_choices, spec.action_dim) if spec.is_continuous else Numbered()
    logits = torch.stack([choices.offer(row, 0, policy) for row, (_, policy) in enumerate(readings)]).cpu().numpy()
    values = torch.stack([value for value, _ in readings]).cpu().numpy()
    roots = Roots(logits, values, np.ones(logits.shape, bool))
    return search(roots, RecomputingExpander(paths, choices), life.config.search, rng=None)
