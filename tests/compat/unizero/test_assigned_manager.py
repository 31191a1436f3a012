"""Another `KVCacheManager` in place of a model's own: used, if it fits the model and its contexts fit the weights."""

import pytest
import torch
from tests.compat.unizero.world_models import EMBED, ENVS, FEATURES, build, draw

from kvzero import KVCacheManager, WorldModel
from kvzero.cache import ManagerSettings
from kvzero.errors import ConfigError, StaleContextError


def played(seed: int = 0, **changes) -> WorldModel:
    model = build(seed, use_new_cache_manager=True, **changes)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    return model


def saved(model: WorldModel, folder, made_by: bytes | None = None) -> KVCacheManager:
    made_by = model.network.digest if made_by is None else made_by
    model.kv_cache_manager.save(folder, made_by=made_by)
    return KVCacheManager.load(folder, made_by=made_by)


def fresh(model: WorldModel, **options) -> KVCacheManager:
    return KVCacheManager(model.config, **({"env_num": ENVS} | options))


def test_an_assigned_manager_is_the_one_that_contexts_go_into():
    model = played()
    first, second = model.kv_cache_manager, fresh(model)
    model.kv_cache_manager = second
    assert model.kv_cache_manager is second
    assert "kv_cache_manager" not in vars(model)
    model.forward_initial_inference(draw(ENVS, FEATURES, seed=1))
    assert [len(pool) for pool in second.init_pools] == [len(pool) for pool in first.init_pools] == [1] * ENVS
    assert model.cache_stats()["env_0"].size == second.init_pools[0].stats.size


def test_episodes_begin_anew_with_another_manager():
    model = played()
    model.kv_cache_manager = fresh(model)
    seen = {"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0] * ENVS}
    with pytest.raises(StaleContextError, match="have no root that an action could follow"):
        model.forward_initial_inference(seen)
    model.forward_initial_inference(seen | {"action": [-1] * ENVS})


@torch.no_grad()
def test_contexts_of_the_same_weights_are_found_by_all_that_led_to_them(tmp_path):
    model, twin = played(), build(use_new_cache_manager=True)
    twin.kv_cache_manager = saved(model, tmp_path)
    latents = twin.network.encode(draw(ENVS, FEATURES))
    assert twin.retrieve_or_generate_kvcache(latents, ENVS) == [1] * ENVS
    assert [twin.cache_stats()[f"env_{env}"].hits for env in range(ENVS)] == [1] * ENVS
    for mine, its in zip(twin.keys_values_wm_list, model.keys_values_wm_list, strict=True):
        assert torch.equal(mine.keys_values, its.keys_values)
    assert twin.retrieve_or_generate_kvcache(draw(ENVS, EMBED), ENVS) == [1] * ENVS
    assert twin.cache_stats()["recur"].misses == ENVS


@torch.no_grad()
def test_with_latent_keys_contexts_of_the_same_weights_are_found_by_their_latents(tmp_path):
    model, twin = played(key_mode="latent"), build(use_new_cache_manager=True, key_mode="latent")
    second = {"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0] * ENVS}
    latents = model.forward_initial_inference(second).latent_state
    twin.kv_cache_manager = saved(model, tmp_path)
    assert twin.retrieve_or_generate_kvcache(latents, ENVS) == [3] * ENVS


@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_contexts_of_other_weights_are_refused_until_they_are_cleared(tmp_path, key_mode):
    model, other = played(key_mode=key_mode), build(1, use_new_cache_manager=True, key_mode=key_mode)
    for manager in (saved(model, tmp_path / "named"), saved(model, tmp_path / "unnamed", b""), model.kv_cache_manager):
        own = other.kv_cache_manager
        with pytest.raises(StaleContextError, match=r"made_by=model.network.digest, or empty it by clear_all\(\)"):
            other.kv_cache_manager = manager
        assert other.kv_cache_manager is own
        manager.clear_all()
        other.kv_cache_manager = manager


def test_contexts_that_changed_weights_left_behind_are_refused_too(tmp_path):
    model = played()
    manager = saved(model, tmp_path)
    with torch.no_grad():
        model.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    with pytest.raises(StaleContextError, match="were not made, as far as is known, by these weights"):
        model.kv_cache_manager = manager


def test_what_a_cleared_manager_keeps_next_does_not_pass_for_what_was_loaded(tmp_path):
    model = played()
    model.kv_cache_manager = manager = saved(model, tmp_path)
    before = model.network.digest
    with torch.no_grad():
        model.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    assert (manager.made_by, len(manager.init_pools[0])) == (b"", 1)
    assert before == build(use_new_cache_manager=True).network.digest
    with pytest.raises(StaleContextError):
        build(use_new_cache_manager=True).kv_cache_manager = manager


def test_weights_that_changed_unnoticed_do_not_take_what_fits_the_new_ones(tmp_path):
    model, other = played(), played(1)
    model.load_state_dict(other.state_dict())
    model.kv_cache_manager = manager = saved(other, tmp_path)
    model.retrieve_or_generate_kvcache(model.network.encode(draw(ENVS, FEATURES)).detach(), ENVS)
    assert model.cache_stats()["env_0"].hits == other.cache_stats()["env_0"].hits + 1
    assert len(manager.init_pools[0]) == 1


def test_roots_that_were_the_newest_elsewhere_make_room(tmp_path):
    model = played(game_segment_length=1)
    model.kv_cache_manager = manager = saved(model, tmp_path)
    latents = draw(ENVS, EMBED)
    model.retrieve_or_generate_kvcache(latents, ENVS)
    model.trim_and_pad_kv_cache()
    model.update_cache_context(latents)
    assert [pool.stats.evictions for pool in manager.init_pools] == [1] * ENVS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda model: None, "kv_cache_manager was assigned a NoneType; give a KVCacheManager"),
        (lambda model: fresh(model, env_num=ENVS + 1), "env_num 5 where 4 is needed"),
        (lambda model: fresh(model, dtype=torch.float64), "dtype torch.float64 where torch.float32 is needed"),
        (lambda model: fresh(model, device=torch.device("meta")), "device meta where cpu is needed"),
        (
            lambda model: KVCacheManager(
                ManagerSettings(layout=build(context_length=4).config.layout, num_simulations=2), ENVS
            ),
            "layout ContextLayout.*context_tokens=4.* where .*context_tokens=6.* is needed",
        ),
    ],
)
def test_a_manager_that_does_not_fit_is_refused(make, words):
    model = played()
    own, manager = model.kv_cache_manager, make(model)
    with pytest.raises(ConfigError, match=words):
        model.kv_cache_manager = manager
    assert model.kv_cache_manager is own
    model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0] * ENVS})
