"""A whole search through the cache visits what a search that recomputes everything visits."""

import numpy as np
import pytest
import torch
from tests.equivalence.reference import Path
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES

from kvzero.agent import EngineKind
from kvzero.search import Evaluation, Leaves, Roots, search


class RecomputingExpander:
    """Evaluates a node by one uncached forward over its whole path."""

    def __init__(self, roots: list[Path]) -> None:
        self._paths = [{0: root} for root in roots]

    @torch.no_grad()
    def expand(self, leaves: Leaves) -> Evaluation:
        rewards, values, logits = [], [], []
        for paths, parent, action in zip(self._paths, leaves.parents, leaves.actions, strict=True):
            path = paths[int(parent)].fork()
            reward, _ = path.step(int(action))
            value, policy = path.read()
            paths[leaves.node] = path
            rewards.append(reward)
            values.append(value)
            logits.append(policy)
        return Evaluation(*(torch.stack(column).numpy() for column in (rewards, values, logits)))


@pytest.mark.parametrize("name", ["vector", "image", "three_layers_layernorm"])
@pytest.mark.parametrize("engine", ["eager", "native"])
def test_visit_counts_are_those_of_a_search_that_recomputes_everything(name: str, engine: EngineKind) -> None:
    shape = SHAPES[name]
    life = Life(shape, seed=6, engine=engine)
    for step in range(16):
        envs = life.some_envs()
        life.observe(envs)
        cached = life.plan(envs, explore=False)
        if step % 5 == 0:
            np.testing.assert_array_equal(cached.visit_counts, recomputed_counts(life, envs))


@torch.no_grad()
def recomputed_counts(life: Life, envs: np.ndarray) -> np.ndarray:
    paths = [life.path(env) for env in envs]
    readings = [path.read() for path in paths]
    roots = Roots(
        torch.stack([logits for _, logits in readings]).numpy(),
        torch.stack([value for value, _ in readings]).numpy(),
        np.ones((len(envs), life.shape.spec.num_actions), bool),
    )
    return search(roots, RecomputingExpander(paths), life.config.search, rng=None).visit_counts
