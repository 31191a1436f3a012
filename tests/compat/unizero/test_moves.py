"""A `WorldModel` that is moved or changes its number type: its caches follow it, and answers stay exact."""

import pytest
import torch
from tests.compat.unizero.world_models import ACTIONS, ENVS, FEATURES, build, draw

from kvzero import WorldModel
from kvzero.errors import CacheError, StaleContextError

BOTH_CACHES = pytest.mark.parametrize("use_new_cache_manager", [True, False], ids=["managed", "by_hand"])


def kept(model: WorldModel) -> torch.Tensor:
    """Return the context of the first root as the caches have it."""
    if not model.use_new_cache_manager:
        return model.shared_pool_init_infer[0][0].keys_values
    key = model.kv_cache_manager.init_pools[0].keys()[0]
    return model.kv_cache_manager.get_init_cache(0, key).keys_values


def play(model: WorldModel, *, num_steps: int = 2) -> float:
    """Play and search a little; return how far the answers are from those of one pass without caches."""
    actions = torch.tensor([[2, 1]] * ENVS)
    root = model.forward_initial_inference(draw(ENVS, FEATURES).to(model.device))
    latents = [root.latent_state]
    for step in range(1, num_steps):
        request = {"current_obs": draw(ENVS, FEATURES, seed=step).to(model.device), "action": actions[:, step - 1]}
        root = model.forward_initial_inference(request)
        latents.append(root.latent_state)
    node = model.forward_recurrent_inference([(root.latent_state, actions[:, num_steps - 1])], 0)
    said = model(torch.stack(latents, dim=1), actions[:, :num_steps].to(model.device))
    return max(
        float((found - wanted).abs().max())
        for found, wanted in (
            (root.policy_logits, said.policy_logits[:, -1]),
            (node.latent_state, said.next_latents[:, -1]),
        )
    )


@BOTH_CACHES
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12), (torch.bfloat16, 0.05)]
)
@pytest.mark.parametrize("rotary_emb", [True, False], ids=["rotary", "learned"])
@torch.no_grad()
def test_a_model_of_another_number_type_plays_exactly(use_new_cache_manager, dtype, tolerance, rotary_emb):
    model = build(use_new_cache_manager=use_new_cache_manager, rotary_emb=rotary_emb)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    model.to(dtype)
    assert play(model) <= tolerance
    assert kept(model).dtype == dtype


@pytest.mark.gpu
@BOTH_CACHES
@torch.no_grad()
def test_a_model_on_another_device_plays_exactly(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    for device in ("cuda", "cpu"):
        model.to(device)
        assert play(model) <= 1e-4
        assert kept(model).device == model.device
        assert model.device.type == device


@BOTH_CACHES
def test_a_move_empties_the_caches_and_lets_the_old_ones_go(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager, max_cache_size=7)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    levels, size = model._keeper.levels, model.cache_stats()["recur"].pool_size
    model.double()
    assert model._keeper.levels is not levels
    assert [stats.size for stats in model.cache_stats().values()] == [0] * (ENVS + 1)
    assert model.cache_stats()["recur"].pool_size == size
    assert model.keys_values_wm_list == []
    assert model.keys_values_wm.keys_values.dtype == torch.float64
    with pytest.raises(CacheError, match="call retrieve_or_generate_kvcache first"):
        model.trim_and_pad_kv_cache()


@BOTH_CACHES
@torch.no_grad()
def test_episodes_go_on_after_a_move_from_what_was_shown_before(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    seen = draw(2, ENVS, FEATURES)
    model.forward_initial_inference(seen[0])
    model.double()
    request = {"current_obs": seen[1], "action": [ACTIONS - 1] * ENVS}
    with pytest.raises(StaleContextError, match="are gone"):
        model.forward_initial_inference(request)
    found = model.forward_initial_inference(request | {"obs": seen[0]})
    latents = torch.stack([model.network.encode(each) for each in seen], dim=1)
    said = model(latents, torch.full((ENVS, 2), ACTIONS - 1))
    torch.testing.assert_close(found.policy_logits, said.policy_logits[:, -1], atol=1e-12, rtol=0)


@BOTH_CACHES
def test_a_move_to_where_it_is_forgets_nothing(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    model.to("cpu").float().cpu()
    model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0] * ENVS})


def test_an_assigned_manager_moves_with_its_own_sizes():
    model = build(use_new_cache_manager=True)
    other = build(use_new_cache_manager=True, max_cache_size=3, eviction="lru", enable_stats=False)
    model.kv_cache_manager = other.kv_cache_manager
    model.double()
    pool = model.kv_cache_manager.recur_pool
    assert (pool.pool_size, pool.eviction_strategy.value, pool.stats) == (3, "lru", None)
    assert model.kv_cache_manager.dtype == torch.float64
