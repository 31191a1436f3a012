"""Copies of a `WorldModel`, made in memory or through a file: caches of their own, and episodes that go on exactly."""

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from tests.compat.unizero.world_models import ENVS, FEATURES, build, draw
from tests.equivalence.reference import Path

from kvzero import WorldModel
from kvzero.errors import StaleContextError

BOTH_CACHES = pytest.mark.parametrize("use_new_cache_manager", [True, False], ids=["managed", "by_hand"])


def through_torch(model: WorldModel) -> WorldModel:
    file = io.BytesIO()
    torch.save(model, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


WAYS: dict[str, Callable[[WorldModel], WorldModel]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch": through_torch,
    "copy of a copy": lambda model: copy.deepcopy(copy.deepcopy(model)),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


def played(use_new_cache_manager: bool) -> WorldModel:
    model = build(use_new_cache_manager=use_new_cache_manager, eviction="priority" if use_new_cache_manager else "fifo")
    model.forward_initial_inference(draw(ENVS, FEATURES))
    return model


def go_on(model: WorldModel, seed: int = 1):
    return model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=seed), "action": [0, 1, 2, 0]})


def sizes(model: WorldModel) -> list[int]:
    return [stats.size for stats in model.cache_stats().values()]


@EVERY_WAY
def test_a_copy_shows_the_manager_that_it_uses_and_leaves_the_other_alone(way):
    model = played(use_new_cache_manager=True)
    twin = WAYS[way](model)
    assert twin.kv_cache_manager is twin._keeper.levels.manager
    assert twin.kv_cache_manager is not model.kv_cache_manager
    twin.kv_cache_manager.clear_all()
    assert sizes(twin) == [0] * (ENVS + 1)
    assert sizes(model) == [1] * ENVS + [0]
    go_on(model)


@EVERY_WAY
def test_a_copy_shows_the_older_caches_that_it_uses_and_leaves_the_others_alone(way):
    model = played(use_new_cache_manager=False)
    twin = WAYS[way](model)
    assert twin.past_kv_cache_init_infer_envs == model.past_kv_cache_init_infer_envs
    twin.clear_caches()
    assert twin.past_kv_cache_init_infer_envs == [{}] * ENVS
    assert [len(slots) for slots in model.past_kv_cache_init_infer_envs] == [1] * ENVS
    go_on(model)


@EVERY_WAY
@BOTH_CACHES
@torch.no_grad()
def test_an_episode_goes_on_in_a_copy_as_in_the_model_and_without_caches(way, use_new_cache_manager):
    model = played(use_new_cache_manager)
    twin = WAYS[way](model)
    found, wanted = go_on(twin), go_on(model)
    assert torch.equal(found.policy_logits, wanted.policy_logits)
    for env, action in enumerate([0, 1, 2, 0]):
        path = Path(twin.network)
        path.see(draw(ENVS, FEATURES)[env].numpy(), None)
        path.see(draw(ENVS, FEATURES, seed=1)[env].numpy(), action)
        torch.testing.assert_close(found.policy_logits[env], path.read()[1], atol=1e-5, rtol=0)


@EVERY_WAY
@BOTH_CACHES
def test_a_copy_whose_weights_change_forgets_what_it_took_over(way, use_new_cache_manager):
    twin = WAYS[way](played(use_new_cache_manager))
    with torch.no_grad():
        twin.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    with pytest.raises(StaleContextError, match="are gone, because the weights changed"):
        go_on(twin)


@BOTH_CACHES
def test_a_model_whose_weights_changed_is_copied_without_what_the_old_ones_made(use_new_cache_manager):
    model = played(use_new_cache_manager)
    with torch.no_grad():
        model.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    with pytest.raises(StaleContextError, match="are gone, because the weights changed"):
        go_on(copy.deepcopy(model))
