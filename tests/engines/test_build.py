"""Another engine and another store are a class and a line in a table each; nothing else learns their names."""

from dataclasses import replace

import numpy as np
import pytest
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES

from kvzero.agent import Planner
from kvzero.cache import TreeStore
from kvzero.engines import build as build_module
from kvzero.engines import stores as stores_module
from kvzero.engines.eager import EagerEngine
from kvzero.errors import EngineError
from kvzero.search import Outcome

SHAPE = SHAPES["vector"]


class FirstActionEngine(EagerEngine):
    """Searches as the eager engine does, and then plays action 0."""

    name = "eager"

    def search(self, *arguments: object, **options: object) -> Outcome:
        outcome = super().search(*arguments, **options)
        return replace(outcome, chosen=np.zeros_like(outcome.chosen))


class CountingStore(TreeStore):
    """A tree that counts the searches that were begun."""

    searches = 0

    def begin_search(self, *arguments: object) -> object:
        self.searches += 1
        return super().begin_search(*arguments)


def plans_of(life: Life, planner: Planner, num_steps: int = 3) -> list[list[int]]:
    rng, everyone, plans = np.random.default_rng(0), np.arange(SHAPE.num_envs), []
    actions, masks = SHAPE.spec.blank_actions(SHAPE.num_envs), np.ones((SHAPE.num_envs, SHAPE.spec.num_actions), bool)
    for step in range(num_steps):
        seen = rng.normal(size=(SHAPE.num_envs, *SHAPE.spec.observation_shape)).astype(np.float32)
        planner.observe(everyone, seen, actions=actions, starts=np.full(SHAPE.num_envs, step == 0))
        plans.append(planner.plan(everyone, masks, rng=None).actions.tolist())
    return plans


def test_another_engine_is_a_class_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(build_module.ENGINES, "eager", FirstActionEngine)
    life = Life(SHAPE, seed=0, engine="eager")
    assert plans_of(life, life.planner) == [[0] * SHAPE.num_envs] * 3


def test_another_store_is_a_class_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(SHAPE, seed=0, engine="eager")
    wanted = plans_of(life, life.planner)

    def build_counting(request: object) -> CountingStore:
        sizes = {"num_envs": request.num_envs, "num_simulations": request.num_simulations}
        return CountingStore(request.settings.layout, **sizes, device=request.device, dtype=request.dtype)

    monkeypatch.setitem(stores_module.STORES, "pooled", build_counting)
    planner = Planner(life.network, replace(life.config, store="pooled"), num_envs=SHAPE.num_envs)
    assert plans_of(life, planner) == wanted
    assert planner.store.searches == 3


def test_an_engine_that_was_named_and_cannot_serve_is_an_error() -> None:
    with pytest.raises(
        EngineError, match="the memory of the tree store, and this is a KeyedStore; give store=tree, or engine=eager"
    ):
        Life(replace(SHAPE, store="pooled"), seed=0, engine="native")


def test_auto_does_without_an_engine_that_cannot_serve() -> None:
    assert Life(replace(SHAPE, store="pooled"), seed=0, engine="auto").planner.engine.name == "eager"
