"""The scenarios of the report with its configuration and its calls, old and new system side by side."""

from collections.abc import Iterator

import pytest
import torch
from tests.compat.unizero.reported import EMBED, ENVS, draw_latents, make_model, starts

from kvzero import KeysValues, KVCacheManager, WorldModel
from kvzero.compat import LossTargets

OLD, NEW = False, True


@pytest.fixture(scope="module")
def models() -> dict[bool, WorldModel]:
    return {system: make_model(use_new_cache_manager=system) for system in (OLD, NEW)}


@pytest.fixture(params=[OLD, NEW], ids=["old", "new"])
def model(models: dict[bool, WorldModel], request: pytest.FixtureRequest) -> Iterator[WorldModel]:
    """Give each system in turn, in training mode and with empty caches."""
    one = models[request.param].train()
    one.clear_caches()
    if request.param == NEW:
        one.kv_cache_manager.reset_stats()
    yield one
    one.clear_caches()


def counts(model: WorldModel, name: str = "env_0") -> tuple[int, int, int, int]:
    stats = model.cache_stats()[name]
    return stats.hits, stats.misses, stats.evictions, stats.size


def test_1_the_first_call_makes_one_cache_per_environment(model):
    model.keys_values_wm_list.clear()
    model.keys_values_wm_size_list.clear()
    sizes = model.retrieve_or_generate_kvcache(draw_latents(2), 2, start_pos=starts(2))
    assert len(sizes) == 2
    assert len(model.keys_values_wm_list) == 2
    if model.use_new_cache_manager:
        summary = model.kv_cache_manager.get_stats_summary()
        assert summary["init_pools"]["env_0"] == "hits=0, misses=0, evictions=0, size=0, hit_rate=0.0%"


def test_2_an_update_at_the_root_with_latents_alone_runs_and_stores_nothing(model):
    model.update_cache_context(torch.randn(2, 1, EMBED, device=model.device), is_init_infer=True)
    assert counts(model)[3] == counts(model, "recur")[3] == 0


def test_3_equal_seeds_give_equal_caches(models):
    kept = []
    for system in (OLD, NEW):
        model = models[system]
        model.clear_caches()
        model.keys_values_wm_list.clear()
        sizes = model.retrieve_or_generate_kvcache(draw_latents(2, seed=42), ready_env_num=2, start_pos=starts(2))
        kept.append((sizes, model.keys_values_wm_list))
    (old_sizes, old), (new_sizes, new) = kept
    assert old_sizes == new_sizes == [1, 1]
    assert len(old) == len(new) == 2
    for mine, its in zip(old, new, strict=True):
        assert torch.equal(mine.keys_values, its.keys_values)


def test_4_pools_have_twenty_slots_evict_the_oldest_and_count(models):
    pool = models[NEW].kv_cache_manager.init_pools[0]
    assert pool.pool_size == models[OLD].shared_pool_size_init == 20
    assert f"{pool.eviction_strategy}" == "fifo"
    assert models[NEW].kv_cache_manager.get_stats_summary()["stats_enabled"] is True


def test_5_both_systems_initialise(models):
    assert models[NEW].use_new_cache_manager is True
    assert models[OLD].use_new_cache_manager is False
    assert isinstance(models[NEW].kv_cache_manager, KVCacheManager)
    assert not hasattr(models[OLD], "kv_cache_manager")
    assert not hasattr(models[NEW], "shared_pool_init_infer")
    assert models[OLD].device == models[NEW].device == torch.device("cpu")


def test_6_structures_are_as_listed(models):
    manager, old = models[NEW].kv_cache_manager, models[OLD]
    assert len(manager.init_pools) == len(old.past_kv_cache_init_infer_envs) == ENVS
    assert manager.recur_pool.pool_size == old.shared_pool_size_recur == len(old.shared_pool_recur_infer) == 25 * ENVS
    assert manager.wm_pool.pool_size == ENVS
    assert [len(slots) for slots in old.shared_pool_init_infer] == [20] * ENVS
    assert isinstance(old.past_kv_cache_recurrent_infer, dict)
    for model in models.values():
        assert isinstance(model.keys_values_wm_list, list)
        assert isinstance(model.keys_values_wm_size_list, list)
        assert isinstance(model.keys_values_wm_single_env, KeysValues)
        assert model.keys_values_wm.keys_values.shape[2:] == model.keys_values_wm_single_env.keys_values.shape[1:]


def test_7_clearing_empties_every_cache(model):
    latents = draw_latents(ENVS)
    for is_init_infer in (True, False):
        model.retrieve_or_generate_kvcache(latents, ENVS, start_pos=starts(ENVS))
        model.trim_and_pad_kv_cache(is_init_infer=is_init_infer)
        model.update_cache_context(latents, is_init_infer=is_init_infer)
    assert {stats.size for stats in model.cache_stats().values()} == {1, ENVS}
    model.clear_caches()
    assert {stats.size for stats in model.cache_stats().values()} == {0}
    assert model.keys_values_wm_list == model.keys_values_wm_size_list == []


@torch.no_grad()
def test_8_forward_passes_through_the_caches_equal_those_without_in_training_mode(model):
    assert model.training
    generator = torch.Generator().manual_seed(0)
    seen = torch.randint(256, (3, 2, 3, 64, 64), dtype=torch.uint8, generator=generator)
    actions = torch.tensor([[5, 0], [2, 4], [1, 3]])
    root = model.forward_initial_inference(seen[0])
    latents = [root.latent_state]
    values = [root.values]
    for step in (1, 2):
        root = model.forward_initial_inference({"current_obs": seen[step], "action": actions[step - 1]})
        latents.append(root.latent_state)
        values.append(root.values)
    node = model.forward_recurrent_inference([(root.latent_state, actions[2])], 0, start_pos=starts(2))
    said = model(torch.stack(latents, dim=1), actions.T)
    support = model.network.support
    torch.testing.assert_close(torch.stack(values, dim=1), support.decode(said.value_logits), atol=1e-5, rtol=0)
    torch.testing.assert_close(root.policy_logits, said.policy_logits[:, -1], atol=1e-5, rtol=0)
    torch.testing.assert_close(node.rewards, support.decode(said.reward_logits[:, -1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(node.latent_state, said.next_latents[:, -1], atol=1e-5, rtol=0)


def test_9_pools_keep_give_and_clear(models):
    manager = models[NEW].kv_cache_manager
    manager.clear_all()
    manager.reset_stats()
    models[NEW].retrieve_or_generate_kvcache(draw_latents(1), 1)
    context = models[NEW].keys_values_wm_single_env
    manager.reset_stats()
    manager.set_init_cache(env_id=0, cache_key=123, kv_cache=context)
    manager.set_recur_cache(cache_key=456, kv_cache=context)
    assert torch.equal(manager.get_init_cache(env_id=0, cache_key=123).keys_values, context.keys_values)
    assert manager.get_init_cache(env_id=1, cache_key=123) is None
    assert manager.get_recur_cache(cache_key=456).size == 1
    pool = manager.init_pools[0]
    assert (pool.stats.hits, pool.stats.misses, pool.stats.hit_rate) == (1, 0, 1.0)
    manager.clear_all()
    assert manager.get_init_cache(env_id=0, cache_key=123) is None
    assert (pool.stats.size, pool.stats.total_queries) == (0, 2)


def test_10_thirty_roots_stored_through_an_update_evict_ten(model):
    before = counts(model)
    for seed in range(30):
        latents = draw_latents(2, seed)
        model.retrieve_or_generate_kvcache(latents, 2, start_pos=starts(2))
        model.trim_and_pad_kv_cache(is_init_infer=True)
        model.update_cache_context(latents, is_init_infer=True)
    for env in ("env_0", "env_1"):
        _, _, evictions, size = counts(model, env)
        assert (evictions - before[2], size) == (10, 20)
    assert counts(model, "env_2")[3] == 0
    hits, misses = counts(model)[0], counts(model, "recur")[1]
    for seed in range(30):
        model.retrieve_or_generate_kvcache(draw_latents(2, seed), 2, start_pos=starts(2))
    assert (counts(model)[0] - hits, counts(model, "recur")[1] - misses) == (20, 2 * 10)


def test_dropout_is_real_in_training_mode_and_gone_after_eval(model):
    generator = torch.Generator().manual_seed(1)
    latents, actions = torch.randn(2, 3, EMBED, generator=generator), torch.tensor([[0, 5, 2], [1, 1, 4]])
    targets = LossTargets(
        latents=torch.randn(2, 3, EMBED, generator=generator),
        rewards=torch.ones(2, 3),
        values=torch.ones(2, 3),
        policies=torch.full((2, 3, 6), 1 / 6),
        is_known=torch.ones(2, 3, dtype=torch.bool),
    )
    with torch.no_grad():
        assert len({float(model.compute_loss(latents, actions, targets).total) for _ in range(2)}) == 2
        model.eval()
        assert len({float(model.compute_loss(latents, actions, targets).total) for _ in range(2)}) == 1
