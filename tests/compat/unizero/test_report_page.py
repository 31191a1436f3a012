"""The page that goes through the report: it has every name of the report, and what it points to exists."""

import re
from pathlib import Path

import pytest
from tests.compat.unizero.world_models import build

import kvzero

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "the-report.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*?) \| (`.*?`) \|.*\|$", PAGE, re.MULTILINE)
POINTERS = set(re.findall(r"`((?:kvzero|config|model|old|manager|pool)\.[\w.]+)`", PAGE))
REPORTED = """
WorldModel TransformerConfig KVCacheManager KVCachePool KeysValues CacheStats tokenizer world_model.py
kv_cache_manager.py kv_caching.py
retrieve_or_generate_kvcache retrieve_or_generate latent_state ready_env_num start_pos trim_and_pad_kv_cache
update_cache_context is_init_infer clear_caches _initialize_cache_structures custom_copy_kv_cache_to_shared_init_envs
use_new_cache_manager device keys_values_wm keys_values_wm_list keys_values_wm_size_list keys_values_wm_single_env
kv_cache_manager get_init_cache set_init_cache get_recur_cache set_recur_cache env_id cache_key kv_cache init_pools
recur_pool wm_pool enable_stats stats_enabled get_stats_summary pool_size max_size capacity eviction_strategy stats hits
misses evictions size hit_rate record_hit record_miss record_eviction _key_to_index _pool _index_to_key _write_index
_access_order _deep_copy _update_access
hit_count total_query_count past_kv_cache_init_infer_envs past_kv_cache_recurrent_infer shared_pool_init_infer
shared_pool_recur_infer pool_idx_to_key_map pool_idx_to_key_map_init_envs shared_pool_index_init_envs
shared_pool_size_init
tokens_per_block max_blocks attention num_layers num_heads embed_dim embed_pdrop resid_pdrop attn_pdrop
task_embed_option env_num game_segment_length num_simulations action_space_size observation_shape image_channel
support_size obs_type continuous_action_space group_size norm_type rotary_emb context_length policy_entropy_weight
predict_latent_loss_type gamma dormant_threshold analysis_dormant_ratio_weight_rank latent_recon_loss_weight
perceptual_loss_weight max_cache_size
"""
"""Every name in the report that is one of its interface, its structures or its configuration."""


@pytest.fixture(scope="module")
def meanings() -> dict[str, object]:
    """Return what the page calls by these names."""
    model, old = build(use_new_cache_manager=True), build(use_new_cache_manager=False)
    manager = model.kv_cache_manager
    return {
        "kvzero": kvzero,
        "config": model.config,
        "model": model,
        "old": old,
        "manager": manager,
        "pool": manager.init_pools[0],
    }


def test_the_page_has_every_name_of_the_report_once():
    named = [name for row, _ in ROWS for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(REPORTED.split())


@pytest.mark.parametrize("expression", sorted(POINTERS))
def test_what_the_page_points_to_exists(expression, meanings):
    first, *names = expression.split(".")
    found = meanings[first]
    for name in names:
        found = getattr(found, name)


def test_every_row_points_to_something():
    assert len(ROWS) == len(re.findall(r"^\| `", PAGE, re.MULTILINE))
    assert all(re.fullmatch(r"`[a-z]+\.[\w.]+`", here) for _, here in ROWS)


def test_the_code_of_the_page_runs():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert names["model"].kv_cache_manager.init_pools[0].pool_size == 20
