"""The report's older code, line by line, on a `WorldModel`: its structures are real, and mistakes are no answers."""

import copy

import pytest
import torch
from tests.compat.unizero.world_models import EMBED, ENVS, SIMULATIONS, build, draw

from kvzero import KeysValues, WorldModel
from kvzero.cache import hash_state
from kvzero.errors import CacheError, ConfigError

SLOTS = 20


def write_root(self: WorldModel, i: int, cache_key: int, *, moves_on: bool = True) -> None:
    """Section 4.2 of the report, as it stands there; section 1.1 is the same without the last step."""
    # 1. 计算写入位置
    index_to_write = self.shared_pool_index_init_envs[i]

    # 2. 查找旧 key
    old_key_to_evict = self.pool_idx_to_key_map_init_envs[i][index_to_write]

    # 3. 主动淘汰旧 key
    if old_key_to_evict is not None:  # noqa: SIM102  # as the report has it
        if old_key_to_evict in self.past_kv_cache_init_infer_envs[i]:
            del self.past_kv_cache_init_infer_envs[i][old_key_to_evict]

    # 4. 深拷贝到 pool
    cache_index = self.custom_copy_kv_cache_to_shared_init_envs(self.keys_values_wm_single_env, i)

    # 5. 更新主映射
    self.past_kv_cache_init_infer_envs[i][cache_key] = cache_index

    # 6. 更新辅助映射
    self.pool_idx_to_key_map_init_envs[i][index_to_write] = cache_key

    # 7. 移动指针
    if moves_on:
        self.shared_pool_index_init_envs[i] = (self.shared_pool_index_init_envs[i] + 1) % self.shared_pool_size_init


def write_node(self: WorldModel, cache_key: int) -> None:
    """The same of a node, which the report leaves out ("recurrent_infer 类似逻辑")."""
    index_to_write = self.shared_pool_index
    old_key_to_evict = self.pool_idx_to_key_map_recur_infer[index_to_write]
    if old_key_to_evict is not None and old_key_to_evict in self.past_kv_cache_recurrent_infer:
        del self.past_kv_cache_recurrent_infer[old_key_to_evict]
    cache_index = self.custom_copy_kv_cache_to_shared_recur(self.keys_values_wm_single_env)
    self.past_kv_cache_recurrent_infer[cache_key] = cache_index
    self.pool_idx_to_key_map_recur_infer[index_to_write] = cache_key
    self.shared_pool_index = (self.shared_pool_index + 1) % self.shared_pool_size_recur


def look_up(self: WorldModel, index: int, cache_key: int) -> KeysValues | None:
    """Section 1.1 and, for the statistics, section 4.3, as they stand there."""
    cache_index = self.past_kv_cache_init_infer_envs[index].get(cache_key)
    if cache_index is not None:  # noqa: SIM108  # as the report has it
        matched_value = self.shared_pool_init_infer[index][cache_index]
    else:
        matched_value = None

    if matched_value is None:
        recur_cache_index = self.past_kv_cache_recurrent_infer.get(cache_key)
        if recur_cache_index is not None:
            matched_value = self.shared_pool_recur_infer[recur_cache_index]

    self.total_query_count += 1
    if matched_value is not None:
        self.hit_count += 1
    return matched_value


def make(model: WorldModel, number: int) -> KeysValues:
    """Let the context of another latent be the one at hand."""
    model.retrieve_or_generate_kvcache(draw(1, EMBED, seed=number), 1)
    return model.keys_values_wm_single_env.clone()


def test_thirty_roots_written_by_hand_leave_the_newest_twenty():
    model = build()
    made = []
    for number in range(30):
        made.append(make(model, number))
        write_root(model, 1, 1000 + number)
    assert model.past_kv_cache_init_infer_envs[1] == {1000 + number: number % SLOTS for number in range(10, 30)}
    assert model.pool_idx_to_key_map_init_envs[1] == [*range(1020, 1030), *range(1010, 1020)]
    assert model.shared_pool_index_init_envs == [0, 10, 0, 0]
    for number, context in enumerate(made):
        found = look_up(model, 1, 1000 + number)
        assert (found is None) == (number < 10)
        assert found is None or torch.equal(found.keys_values, context.keys_values)
        assert look_up(model, 0, 1000 + number) is None
    assert model.cache_stats()["env_1"].size == SLOTS


def test_nodes_written_by_hand_go_round_too():
    model = build()
    for number in range(ENVS * SIMULATIONS + 3):
        context = make(model, number)
        write_node(model, number)
    assert model.shared_pool_index == 3
    assert sorted(model.past_kv_cache_recurrent_infer) == list(range(3, ENVS * SIMULATIONS + 3))
    assert torch.equal(look_up(model, 2, number).keys_values, context.keys_values)
    assert look_up(model, 2, 2) is None


def test_without_the_last_step_each_root_takes_the_place_of_the_one_before():
    model = build()
    for number in range(3):
        context = make(model, number)
        write_root(model, 0, number, moves_on=False)
    assert model.past_kv_cache_init_infer_envs[0] == {2: 0}
    assert torch.equal(look_up(model, 0, 2).keys_values, context.keys_values)


def test_the_model_finds_with_latent_keys_what_was_written_by_hand():
    model, latents = build(key_mode="latent"), draw(ENVS, EMBED)
    other = make(model, 99)
    for env in range(ENVS):
        write_root(model, env, hash_state(latents[env]))
    hits = model.hit_count
    model.retrieve_or_generate_kvcache(latents, ENVS)
    assert model.hit_count == hits + ENVS
    for found in model.keys_values_wm_list:
        assert torch.equal(found.keys_values, other.keys_values)


def test_with_path_keys_the_model_takes_nothing_for_a_context_that_it_did_not_make():
    model, latents = build(), draw(1, EMBED)
    make(model, 99)
    write_root(model, 0, hash_state(latents[0]))
    model.retrieve_or_generate_kvcache(latents, 1)
    assert model.hit_count == 0


def test_hand_and_model_write_into_one_ring():
    model, latents = build(game_segment_length=2), draw(1, EMBED)
    make(model, 0)
    write_root(model, 0, 7)
    for _ in range(2):  # through both slots
        model.retrieve_or_generate_kvcache(latents, 1)
        model.trim_and_pad_kv_cache()
        model.update_cache_context(latents)
        latents = latents + 1
    assert look_up(model, 0, 7) is None
    assert len(model.past_kv_cache_init_infer_envs[0]) == 2
    assert model.shared_pool_index_init_envs[0] == 1
    model.clear_caches()
    assert model.past_kv_cache_init_infer_envs == [{}] * ENVS
    assert model.pool_idx_to_key_map_init_envs == [[None] * 2] * ENVS


def test_a_slot_whose_map_back_was_left_out_is_missed_and_never_answers_for_another():
    model, latents = build(key_mode="latent"), draw(2, EMBED)
    keys = [hash_state(latent) for latent in latents]
    make(model, 99)
    write_root(model, 0, keys[0])
    model.shared_pool_index_init_envs[0] = 0  # back to it, and over it, without steps 2, 3 and 6
    make(model, 98)
    slot = model.custom_copy_kv_cache_to_shared_init_envs(model.keys_values_wm_single_env, 0)
    model.past_kv_cache_init_infer_envs[0][keys[1]] = slot
    for row in range(2):
        assert model.retrieve_or_generate_kvcache(latents[row : row + 1], 1) == [1]
    assert model.hit_count == 0


def test_a_structure_that_is_replaced_inside_of_the_list_is_the_new_one():
    model, latents = build(key_mode="latent"), draw(1, EMBED)
    context = make(model, 99)
    model.past_kv_cache_init_infer_envs[0] = {hash_state(latents[0]): 4}
    model.shared_pool_init_infer[0] = [None] * 4 + [context] + [None] * 15
    model.pool_idx_to_key_map_init_envs[0] = [None] * 4 + [hash_state(latents[0])] + [None] * 15
    model.retrieve_or_generate_kvcache(latents, 1)
    assert model.hit_count == 1
    assert torch.equal(model.keys_values_wm_list[0].keys_values, context.keys_values)


def test_what_was_copied_can_change_without_the_copy():
    model = build()
    context = make(model, 0)
    write_root(model, 0, 7)
    model.keys_values_wm_single_env.keys_values.fill_(9)
    assert torch.equal(look_up(model, 0, 7).keys_values, context.keys_values)
    assert not look_up(model, 0, 7).keys_values.requires_grad


@pytest.mark.parametrize("enable_stats", [True, False])
def test_what_is_counted_by_hand_adds_to_what_is_counted(enable_stats):
    model, latents = build(enable_stats=enable_stats), draw(2, EMBED)
    self = model
    self.total_query_count += 1
    self.hit_count += 1
    assert (model.hit_count, model.total_query_count) == (1, 1)
    model.retrieve_or_generate_kvcache(latents, 2)
    model.trim_and_pad_kv_cache()
    model.update_cache_context(latents)
    model.retrieve_or_generate_kvcache(latents, 2)
    counted = (2, 4) if enable_stats else (0, 0)
    assert (model.hit_count, model.total_query_count) == (1 + counted[0], 1 + counted[1])
    self.total_query_count += 1
    assert model.total_query_count == 2 + counted[1]
    assert sum(stats.total_queries for stats in model.cache_stats().values()) == counted[1]
    model.hit_count = model.total_query_count = 0
    assert (model.hit_count, model.total_query_count) == (0, 0)
    model.retrieve_or_generate_kvcache(latents, 2)
    assert model.hit_count == counted[0]
    assert not {"hit_count", "total_query_count"} & set(vars(model))


def test_a_copy_has_structures_of_its_own():
    model = build()
    make(model, 0)
    write_root(model, 0, 7)
    twin = copy.deepcopy(model)
    make(twin, 1)
    write_root(twin, 0, 8)
    assert list(twin.past_kv_cache_init_infer_envs[0]) == [7, 8]
    assert twin._keeper.levels.caches.init_ring(0).pointer == 2
    assert list(model.past_kv_cache_init_infer_envs[0]) == [7]
    assert model.shared_pool_index_init_envs[0] == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("past_kv_cache_init_infer_envs", [{}], "write into its lists and dicts"),
        ("past_kv_cache_recurrent_infer", {}, "write into its lists and dicts"),
        ("shared_pool_init_infer", [], "write into its lists and dicts"),
        ("shared_pool_index_init_envs", [0] * ENVS, "write into its lists and dicts"),
        ("shared_pool_size_init", 7, "of another config for other sizes"),
        ("custom_copy_kv_cache_to_shared_recur", None, "where it would have no effect"),
        ("hit_count", 0.5, "hit_count is 0.5"),
        ("total_query_count", "7", "total_query_count is '7'"),
        ("shared_pool_index", None, "shared_pool_index is None"),
        ("kv_cache_manager", None, "build one with use_new_cache_manager=True"),
    ],
)
def test_what_would_have_no_effect_is_no_assignment(name, value, words):
    model = build()
    with pytest.raises(ConfigError, match=words):
        setattr(model, name, value)
    assert name not in vars(model)


@pytest.mark.parametrize("name", ["hit_count", "shared_pool_index", "past_kv_cache_recurrent_infer"])
def test_the_older_names_cannot_be_assigned_beside_a_manager(name):
    model = build(use_new_cache_manager=True)
    with pytest.raises(ConfigError, match=f"{name} was assigned .* build one with use_new_cache_manager=False"):
        setattr(model, name, 0)
    assert not hasattr(model, name)


@pytest.mark.parametrize("rotary_emb", [True, False])
def test_what_could_not_be_read_again_is_not_copied(rotary_emb):
    model = build(rotary_emb=rotary_emb)
    context = make(model, 0)
    for odd in (
        KeysValues(context.keys_values.double(), 1, context.tokens),
        KeysValues(context.keys_values[1:], 1, None if context.tokens is None else context.tokens[1:]),
        KeysValues(context.keys_values, 1, draw(6, EMBED) if rotary_emb else None),
    ):
        with pytest.raises(CacheError, match="a shared pool keeps"):
            model.custom_copy_kv_cache_to_shared_init_envs(odd, 0)
        with pytest.raises(CacheError, match="a shared pool keeps"):
            model.custom_copy_kv_cache_to_shared_recur(odd)
    for env_id in (-1, ENVS):
        with pytest.raises(CacheError, match=f"env_id is {env_id}"):
            model.custom_copy_kv_cache_to_shared_init_envs(context, env_id)
    assert model.shared_pool_init_infer == [[None] * SLOTS] * ENVS


@pytest.mark.parametrize("slot", [-1, SLOTS])
def test_a_pointer_to_no_slot_is_refused_when_it_is_used(slot):
    model = build()
    context = make(model, 0)
    model.shared_pool_index_init_envs[2] = slot
    with pytest.raises(CacheError, match=f"the pointer shows slot {slot} of 20"):
        model.custom_copy_kv_cache_to_shared_init_envs(context, 2)
