"""Learned positions whose window slides by `rebuild`: exact in every keyed store; and what breaks it is noticed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.equivalence.scenario import TOLERANCE, Life, Shape
from tests.equivalence.test_exactness import IMAGE, VECTOR

from kvzero.agent import Planner
from kvzero.cache import CacheConfig, ContextLayout
from kvzero.errors import CacheError, ConfigError
from kvzero.model import ModelConfig, Network
from kvzero.model import sliding as sliding_module

SHAPES = {
    "vector": Shape(
        ModelConfig(
            embed_dim=16,
            num_layers=2,
            num_heads=2,
            context_tokens=6,
            support_size=11,
            positions="learned",
            max_tokens=9,
        ),
        VECTOR,
        num_steps=26,
    ),
    "image": Shape(
        ModelConfig(
            embed_dim=24,
            num_layers=3,
            num_heads=3,
            context_tokens=4,
            support_size=7,
            encoder_channels=16,
            positions="learned",
        ),
        IMAGE,
        num_steps=18,
    ),
    "wide_context": Shape(
        ModelConfig(embed_dim=16, num_layers=2, num_heads=2, context_tokens=12, support_size=11, positions="learned"),
        VECTOR,
        num_steps=24,
    ),
}
STORES = pytest.mark.parametrize("store", ["pooled", "legacy"])


@STORES
@pytest.mark.parametrize("name", SHAPES)
def test_every_node_of_every_search_equals_one_uncached_forward_over_its_window(name, store):
    life = Life(replace(SHAPES[name], store=store), seed=0)
    for step in range(life.shape.num_steps):
        envs = life.some_envs()
        life.observe(envs)
        outcome = life.plan(envs, explore=step % 3 > 0)
        if step % 4 == 3 or step > life.shape.num_steps - 4:
            life.check(envs, outcome)
    assert life.roll_overs >= 3


@STORES
@pytest.mark.parametrize("name", ["vector", "image"])
def test_roots_are_rebuilt_exactly_after_weight_updates(name, store):
    life = Life(replace(SHAPES[name], store=store, episode_steps=17), seed=2)
    for step in range(life.shape.num_steps):
        envs = life.some_envs()
        if step % 3 == 0:
            life.update_weights()
        life.observe(envs)
        if step % 5 == 0:
            life.update_weights()  # between observing and planning
        outcome = life.plan(envs)
        if step % 3 == 1:
            life.check(envs, outcome)
    assert life.roll_overs >= 3


@STORES
def test_contexts_that_a_small_pool_lost_are_made_anew_exactly(store):
    shape = replace(SHAPES["vector"], store=store, cache=CacheConfig(init_pool_size=1, recur_pool_size=4))
    life = Life(shape, seed=3)
    for _ in range(12):
        envs = life.some_envs()
        life.observe(envs)
        life.check(envs, life.plan(envs))
    assert life.planner.store.figures()["recur/misses"] > 0


def test_an_agent_with_a_tree_store_refuses_a_window_that_slides():
    with pytest.raises(ConfigError, match="choose store=pooled or store=legacy"):
        Life(SHAPES["vector"], seed=0)


def test_a_shifted_window_is_not_exact():
    shape = SHAPES["vector"]
    life = Life(replace(shape, store="pooled", model=replace(shape.model, window="shift")), seed=0)
    with pytest.raises(AssertionError, match="largest difference"):
        live(life)
    assert life.worst > 1000 * TOLERANCE


def live(life: Life) -> None:
    """Live with ragged histories, short episodes and weight updates, checking as the suite does."""
    for step in range(24):
        if step % 8 == 4:
            life.update_weights()
        envs = life.some_envs()
        life.observe(envs)
        outcome = life.plan(envs)
        if step < 3 or step % 4 == 0:
            life.check(envs, outcome)


def never_slide(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Network, "slide", lambda *_: None)


def slide_roots_only(patch: pytest.MonkeyPatch) -> None:
    plan, slide = Planner.plan, Network.slide

    def without(self: Planner, *arguments: object, **rest: object) -> object:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Network, "slide", lambda *_: None)
            return plan(self, *arguments, **rest)

    assert slide is Network.slide
    patch.setattr(Planner, "plan", without)


def keep_old_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sliding_module.SLIDES, "rebuild", lambda transformer, tokens, keys_values: keys_values)


def count_positions_from_the_beginning_of_the_episode(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ContextLayout, "next_positions", lambda self, lengths: np.minimum(lengths, 7))


def rebuild_from_a_shorter_history(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ContextLayout, "history_steps", property(lambda self: self.context_tokens // 2 - 2))


def rebuild_from_positions_one_off(patch: pytest.MonkeyPatch) -> None:
    table = torch.nn.Embedding.forward

    def late(self: torch.nn.Embedding, index: torch.Tensor) -> torch.Tensor:
        is_positions = self.num_embeddings == 9
        return table(self, (index + 1).clamp(max=8) if is_positions and index.shape[-1] == 3 else index)

    patch.setattr(torch.nn.Embedding, "forward", late)


MUTATIONS = [
    never_slide,
    slide_roots_only,
    keep_old_keys,
    count_positions_from_the_beginning_of_the_episode,
    rebuild_from_a_shorter_history,
    rebuild_from_positions_one_off,
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_suite_fails_when_sliding_is_broken(mutation, monkeypatch):
    mutation(monkeypatch)
    life = Life(replace(SHAPES["vector"], store="pooled", episode_steps=19), seed=7)
    with pytest.raises((AssertionError, CacheError), match=r"largest difference|not finite|does not fit a window"):
        live(life)
