"""A `WorldModel` used by hand: what each step returns, stores and refuses; old and new caches side by side."""

import logging

import pytest
import torch
from tests.compat.unizero.world_models import ACTIONS, EMBED, ENVS, FEATURES, SIMULATIONS, build, draw, small_config
from tests.unchecked import outcomes_of

from kvzero import KVCacheManager, Tokenizer, TransformerConfig, WorldModel
from kvzero.compat import LossTargets
from kvzero.errors import CacheError, ConfigError, StaleContextError

BOTH_CACHES = pytest.mark.parametrize("use_new_cache_manager", [True, False], ids=["managed", "by_hand"])
OLD_NAMES = {
    "hit_count": 0,
    "total_query_count": 0,
    "past_kv_cache_init_infer_envs": [{}] * ENVS,
    "past_kv_cache_recurrent_infer": {},
    "pool_idx_to_key_map_init_envs": [[None] * 20] * ENVS,
    "pool_idx_to_key_map_recur_infer": [None] * ENVS * SIMULATIONS,
    "shared_pool_init_infer": [[None] * 20] * ENVS,
    "shared_pool_recur_infer": [None] * ENVS * SIMULATIONS,
    "shared_pool_index_init_envs": [0] * ENVS,
    "shared_pool_index": 0,
    "shared_pool_size_init": 20,
    "shared_pool_size_recur": ENVS * SIMULATIONS,
}


def num_roots(model: WorldModel) -> list[int]:
    return [model.cache_stats()[f"env_{env}"].size for env in range(ENVS)]


def totals(model: WorldModel) -> tuple[int, int]:
    """Return hits and misses of all pools."""
    stats = model.cache_stats().values()
    return sum(pool.hits for pool in stats), sum(pool.misses for pool in stats)


def store(model: WorldModel, latents: torch.Tensor, *, is_init_infer: bool = True) -> None:
    model.retrieve_or_generate_kvcache(latents, len(latents))
    model.trim_and_pad_kv_cache(is_init_infer)
    model.update_cache_context(latents, is_init_infer)


@BOTH_CACHES
def test_the_first_call_generates_one_context_per_environment_and_stores_none(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    sizes = model.retrieve_or_generate_kvcache(draw(ENVS, EMBED), ready_env_num=ENVS, simulation_index=0)
    assert sizes == model.keys_values_wm_size_list == [1] * ENVS
    assert [context.size for context in model.keys_values_wm_list] == [1] * ENVS
    assert totals(model) == (0, ENVS)
    assert num_roots(model) == [0] * ENVS
    assert model.cache_stats()["recur"].size == 0
    assert model.cache_stats()["recur"].regenerate_seconds > 0


@BOTH_CACHES
@pytest.mark.parametrize("is_init_infer", [True, False])
@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_what_an_update_stores_is_hit_later(use_new_cache_manager, is_init_infer, key_mode):
    model = build(use_new_cache_manager=use_new_cache_manager, key_mode=key_mode)
    latents = draw(ENVS, EMBED)
    store(model, latents, is_init_infer=is_init_infer)
    first = [context.clone() for context in model.keys_values_wm_list]
    assert num_roots(model) == [int(is_init_infer)] * ENVS
    assert model.cache_stats()["recur"].size == (0 if is_init_infer else ENVS)
    assert model.retrieve_or_generate_kvcache(latents, ENVS) == [1] * ENVS
    assert totals(model) == (ENVS, ENVS)
    for old, new in zip(first, model.keys_values_wm_list, strict=True):
        assert torch.equal(old.keys_values, new.keys_values)


@BOTH_CACHES
@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_each_miss_is_logged_with_its_key(use_new_cache_manager, key_mode, caplog):
    model, latents = build(use_new_cache_manager=use_new_cache_manager, key_mode=key_mode), draw(2, EMBED)
    with caplog.at_level(logging.DEBUG, logger="kvzero.compat.unizero"):
        model.retrieve_or_generate_kvcache(latents, 2, env_ids=[3, 1])
        model.trim_and_pad_kv_cache()
        model.update_cache_context(latents)
        keys = {env: model._keeper.handles.root(env).key for env in (3, 1)}
        told = [f"environment {env} has no context under key={key}" for env, key in keys.items()]
        assert [record.getMessage() for record in caplog.records] == told
        model.retrieve_or_generate_kvcache(latents, 2, env_ids=[3, 1])
    assert len(caplog.records) == 2


@BOTH_CACHES
def test_retrieved_contexts_are_private(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    latents = draw(ENVS, EMBED)
    store(model, latents)
    model.retrieve_or_generate_kvcache(latents, ENVS)
    wanted = model.keys_values_wm_list[1].keys_values.clone()
    model.keys_values_wm_list[1].keys_values.fill_(9)
    model.retrieve_or_generate_kvcache(latents, ENVS)
    assert torch.equal(model.keys_values_wm_list[1].keys_values, wanted)


@pytest.mark.parametrize("rotary_emb", [True, False], ids=["rotary", "learned"])
@torch.no_grad()
def test_equal_seeds_give_equal_caches_in_both_systems(rotary_emb):
    new, old = (build(7, use_new_cache_manager=flag, rotary_emb=rotary_emb) for flag in (True, False))
    answers = []
    for model in (new, old):
        found = model.forward_initial_inference(draw(ENVS, FEATURES))
        found = model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0, 1, 2, 0]})
        answers += [found.latent_state, found.values, found.policy_logits]
        for simulation in range(SIMULATIONS):
            actions = [(simulation + env) % ACTIONS for env in range(ENVS)]
            roots = [0] * ENVS
            child = model.forward_recurrent_inference([(found.latent_state, actions)], simulation, roots)
            answers += [child.rewards, child.latent_state, child.values, child.policy_logits]
    half = len(answers) // 2
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(answers[:half], answers[half:], strict=True))
    assert new.cache_stats().keys() == old.cache_stats().keys()
    for env in range(ENVS):
        slots = old.past_kv_cache_init_infer_envs[env]
        assert new.kv_cache_manager.init_pools[env].keys() == list(slots)
        for key, slot in slots.items():
            mine, theirs = new.kv_cache_manager.get_init_cache(env, key), old.shared_pool_init_infer[env][slot]
            assert torch.equal(mine.keys_values, theirs.keys_values)
            assert mine.size == theirs.size
    slots = old.past_kv_cache_recurrent_infer
    assert len(slots) == ENVS * ACTIONS  # two simulations with one action make one context
    assert new.kv_cache_manager.recur_pool.keys() == list(slots)
    for key, slot in slots.items():
        mine = new.kv_cache_manager.get_recur_cache(key)
        assert torch.equal(mine.keys_values, old.shared_pool_recur_infer[slot].keys_values)


@BOTH_CACHES
def test_clearing_empties_everything_and_statistics_go_on(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    latents = draw(ENVS, EMBED)
    store(model, latents)
    store(model, latents + 1, is_init_infer=False)
    model.clear_caches()
    assert {pool.size for pool in model.cache_stats().values()} == {0}
    assert model.keys_values_wm_list == model.keys_values_wm_size_list == []
    assert totals(model) == (0, 2 * ENVS)
    seen = draw(ENVS, FEATURES)
    with pytest.raises(StaleContextError, match="pass action -1 to begin an episode"):
        model.forward_initial_inference({"current_obs": seen, "action": [0] * ENVS, "obs": seen})
    model.retrieve_or_generate_kvcache(latents, ENVS)
    hits, misses = totals(model)
    assert (hits, misses) == (0, 3 * ENVS)
    assert hits + misses == sum(pool.total_queries for pool in model.cache_stats().values())


@BOTH_CACHES
def test_an_environment_is_cleared_alone(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    model.forward_initial_inference(draw(ENVS, FEATURES))
    model.clear_env(2)
    assert num_roots(model) == [1, 1, 0, 1]
    with pytest.raises(StaleContextError, match=r"environments \[2\] have no root"):
        model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES), "action": [0] * ENVS})


@BOTH_CACHES
def test_an_episode_that_begins_anew_forgets_the_one_before(use_new_cache_manager):
    model, fresh = (build(use_new_cache_manager=use_new_cache_manager) for _ in range(2))
    model.forward_initial_inference(draw(ENVS, FEATURES))
    model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0, 2, 1, 1]})
    assert num_roots(model) == [2] * ENVS
    request = {"current_obs": draw(ENVS, FEATURES, seed=2), "action": [-1, 1, -1, 0]}
    found = model.forward_initial_inference(request)
    wanted = fresh.forward_initial_inference(request["current_obs"])
    assert num_roots(model) == [1, 3, 1, 3]
    is_equal = torch.isclose(found.values, wanted.values, atol=1e-6)
    assert is_equal.tolist() == [True, False, True, False]


@pytest.mark.parametrize("use_new_cache_manager", [True, False])
def test_a_context_of_two_tokens_or_fewer_is_never_stored(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager, context_length=2, rotary_emb=True)
    latents = draw(ENVS, EMBED)
    model.update_cache_context(latents)
    store(model, latents)
    store(model, latents, is_init_infer=False)
    assert model.keys_values_wm_size_list == [1] * ENVS
    found = model.forward_initial_inference(draw(ENVS, FEATURES))
    model.forward_initial_inference({"current_obs": draw(ENVS, FEATURES, seed=1), "action": [0] * ENVS})
    model.forward_initial_inference(draw(ENVS, FEATURES))
    child = model.forward_recurrent_inference([(found.latent_state, [1] * ENVS)], 0)
    model.forward_recurrent_inference([(child.latent_state, [1] * ENVS)], 1, [1] * ENVS)
    assert {pool.size for pool in model.cache_stats().values()} == {0}
    assert totals(model) == (0, 4 * ENVS)


def test_each_system_shows_its_own_names_only():
    new, old = build(use_new_cache_manager=True), build(use_new_cache_manager=False)
    assert TransformerConfig().use_new_cache_manager is False
    assert isinstance(new.kv_cache_manager, KVCacheManager)
    with pytest.raises(AttributeError, match="kv_cache_manager"):
        _ = old.kv_cache_manager
    for name, empty in OLD_NAMES.items():
        assert getattr(old, name) == empty
        with pytest.raises(AttributeError, match=name):
            getattr(new, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = new.no_such_name


def test_the_older_names_show_what_the_caches_do():
    model, latents = build(game_segment_length=3), draw(2, EMBED)
    store(model, latents)
    store(model, latents + 1, is_init_infer=False)
    model.retrieve_or_generate_kvcache(latents, 2)
    assert (model.hit_count, model.total_query_count) == (2, 6)
    for env in range(2):
        [(key, slot)] = model.past_kv_cache_init_infer_envs[env].items()
        assert model.pool_idx_to_key_map_init_envs[env] == [key, None, None]
        assert model.shared_pool_init_infer[env][slot].size == 1
    assert model.pool_idx_to_key_map_recur_infer[:3] == [*model.past_kv_cache_recurrent_infer, None]
    assert model.shared_pool_index_init_envs == [1, 1, 0, 0]
    assert model.shared_pool_index == 2


@BOTH_CACHES
def test_the_batch_at_hand_is_shown_in_both_systems(use_new_cache_manager):
    model, latents = build(use_new_cache_manager=use_new_cache_manager), draw(ENVS, EMBED)
    assert model.use_new_cache_manager == use_new_cache_manager
    assert model.device == torch.device("cpu")
    assert model.keys_values_wm.keys_values.shape[0] == model.keys_values_wm_single_env.size == 0
    model.retrieve_or_generate_kvcache(latents, ENVS)
    assert model.keys_values_wm_single_env is model.keys_values_wm_list[-1]
    window = model.trim_and_pad_kv_cache()
    assert torch.equal(model.keys_values_wm.keys_values, window.keys_values)
    model.update_cache_context(latents)
    assert model.keys_values_wm.keys_values.shape[0] == 0
    assert model.keys_values_wm_single_env.size == 1


@BOTH_CACHES
def test_callers_may_clear_the_list_of_contexts(use_new_cache_manager):
    model, latents = build(use_new_cache_manager=use_new_cache_manager), draw(ENVS, EMBED)
    model.retrieve_or_generate_kvcache(latents, ENVS)
    model.keys_values_wm_list.clear()
    model.keys_values_wm_size_list.clear()
    assert model.keys_values_wm_size_list == []
    with pytest.raises(CacheError, match="call retrieve_or_generate_kvcache first"):
        model.trim_and_pad_kv_cache()
    assert model.retrieve_or_generate_kvcache(latents, ENVS) == [1] * ENVS


def test_pools_have_the_sizes_of_the_config():
    manager = build(use_new_cache_manager=True, game_segment_length=6).kv_cache_manager
    assert [pool.pool_size for pool in manager.init_pools] == [6] * ENVS
    assert (manager.recur_pool.pool_size, manager.wm_pool.pool_size) == (SIMULATIONS * ENVS, ENVS)
    bounded = build(use_new_cache_manager=True, game_segment_length=6, max_cache_size=3).kv_cache_manager
    assert {pool.pool_size for pool in (*bounded.init_pools, bounded.recur_pool)} == {3}
    old = build(game_segment_length=6, max_cache_size=11)
    assert [len(pool) for pool in old.shared_pool_init_infer] == [6] * ENVS
    assert len(old.shared_pool_recur_infer) == 11


@BOTH_CACHES
def test_fewer_environments_than_there_are_may_be_ready(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    assert model.retrieve_or_generate_kvcache(draw(2, EMBED), ready_env_num=2) == [1, 1]
    store(model, draw(2, EMBED))
    assert num_roots(model) == [1, 1, 0, 0]
    model.forward_initial_inference(draw(2, FEATURES), env_ids=[3, 1])
    assert num_roots(model) == [1, 1, 0, 1]


@BOTH_CACHES
def test_a_search_forgets_the_nodes_of_the_one_before(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    roots = model.forward_initial_inference(draw(ENVS, FEATURES)).latent_state
    child = model.forward_recurrent_inference([(roots, [0] * ENVS)], 0)
    model.forward_recurrent_inference([(roots, [0] * ENVS), (child.latent_state, [1] * ENVS)], 1, [1] * ENVS)
    assert model.cache_stats()["recur"].size == 2 * ENVS
    model.forward_recurrent_inference([(roots, [2] * ENVS)], 0)
    assert model.cache_stats()["recur"].size == ENVS
    with pytest.raises(StaleContextError, match="environment 0 has no node 2 in this search"):
        model.forward_recurrent_inference([(child.latent_state, [1] * ENVS)], 1, [2] * ENVS)


def refusals() -> list:
    latents, observations = draw(ENVS, EMBED), draw(ENVS, FEATURES)
    more = draw(ENVS + 1, EMBED)
    return [
        (lambda m: m.retrieve_or_generate_kvcache(more, ENVS + 1), CacheError, "serves environments 0 to 3"),
        (lambda m: m.retrieve_or_generate_kvcache(latents, 2), ConfigError, r"4 latents came with \[2\]"),
        (lambda m: m.retrieve_or_generate_kvcache(latents, ENVS, SIMULATIONS), ConfigError, "simulations 0 to 4"),
        (lambda m: m.retrieve_or_generate_kvcache(latents, ENVS, 0, [1, 2]), ConfigError, "start_pos is"),
        (lambda m: m.retrieve_or_generate_kvcache(latents, ENVS, 0, -1), ConfigError, "start_pos is -1"),
        (lambda m: m.retrieve_or_generate_kvcache(latents[:2], 2, env_ids=[1, 1]), ConfigError, "of its own"),
        (lambda m: m.retrieve_or_generate_kvcache(latents[:2], 2, env_ids=[1, 4]), CacheError, "0 to 3"),
        (lambda m: m.trim_and_pad_kv_cache(True), CacheError, "call retrieve_or_generate_kvcache first"),
        (lambda m: m.forward_initial_inference(draw(ENVS + 1, FEATURES)), CacheError, "0 to 3"),
        (lambda m: m.forward_initial_inference({"obs": observations}), ConfigError, r"\['obs'\].*current_obs"),
        (
            lambda m: m.forward_initial_inference({"current_obs": observations, "action": [0, 1]}),
            ConfigError,
            "4 observations came with 2 actions",
        ),
        (
            lambda m: m.forward_initial_inference({"current_obs": observations, "action": [3] * ENVS}),
            ConfigError,
            "not among the actions -1 to 2",
        ),
        (
            lambda m: m.forward_initial_inference(
                {"current_obs": observations, "action": [0] * ENVS, "obs": observations[:3]}
            ),
            ConfigError,
            "and 3 earlier observations",
        ),
        (
            lambda m: m.forward_initial_inference({"current_obs": observations, "action": [0] * ENVS}),
            StaleContextError,
            "have no root that an action could follow",
        ),
        (
            lambda m: m.forward_recurrent_inference([(latents, [-1] * ENVS)]),
            ConfigError,
            "not among the actions 0 to 2",
        ),
        (
            lambda m: m.forward_recurrent_inference([(latents, torch.full((ENVS,), 0.5))]),
            ConfigError,
            "not among the actions",
        ),
        (lambda m: m.forward_recurrent_inference([(latents, [0, 1])]), ConfigError, "4 latents came with"),
        (
            lambda m: m.forward_initial_inference(draw(ENVS, FEATURES + 1)),
            ConfigError,
            rf"observations have shape \({ENVS}, {FEATURES + 1}\); give one of observation_shape \({FEATURES},\)",
        ),
        (
            lambda m: m.forward_initial_inference(
                {"current_obs": observations, "action": [0] * ENVS, "obs": draw(ENVS, FEATURES + 1)}
            ),
            ConfigError,
            "observations have shape",
        ),
        (
            lambda m: m.retrieve_or_generate_kvcache(draw(ENVS, EMBED + 1), ENVS),
            ConfigError,
            rf"latents are 4 rows, of shape \({EMBED + 1},\); give at least one row, and {EMBED} numbers",
        ),
        (lambda m: m.forward_recurrent_inference([(latents, [0] * ENVS)], 1), ConfigError, "which nodes it continues"),
        (lambda m: m.clear_env(4), CacheError, "0 to 3"),
        (lambda m: m(draw(2, 10, EMBED), torch.zeros(2, 10, dtype=torch.long)), ConfigError, "max_blocks is 9"),
    ]


@pytest.mark.parametrize("number", range(len(refusals())))
def test_what_does_not_fit_is_refused_and_nothing_is_stored(number):
    call, error, words = refusals()[number]
    model = build(use_new_cache_manager=True)
    with pytest.raises(error, match=words):
        call(model)
    assert {pool.size for pool in model.cache_stats().values()} == {0}


@pytest.mark.parametrize("is_padded_as_init", [True, False])
def test_where_contexts_are_kept_is_said_when_they_are_stored(is_padded_as_init):
    model = build()
    model.retrieve_or_generate_kvcache(draw(ENVS, EMBED), ENVS)
    model.trim_and_pad_kv_cache(is_init_infer=is_padded_as_init)
    model.update_cache_context(draw(ENVS, EMBED), is_init_infer=True)
    assert (num_roots(model), model.cache_stats()["recur"].size) == ([1] * ENVS, 0)


@BOTH_CACHES
def test_an_update_with_no_batch_at_hand_stores_nothing(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    latents = draw(ENVS, EMBED)
    model.update_cache_context(latents)
    model.retrieve_or_generate_kvcache(latents, ENVS)
    model.update_cache_context(latents)
    assert {pool.size for pool in model.cache_stats().values()} == {0}
    store(model, latents)
    model.update_cache_context(latents, is_init_infer=False)
    assert (num_roots(model), model.cache_stats()["recur"].size) == ([1] * ENVS, 0)


def test_a_batch_is_stored_with_as_many_latents_as_it_has_contexts():
    model = build()
    model.retrieve_or_generate_kvcache(draw(ENVS, EMBED), ENVS)
    model.trim_and_pad_kv_cache()
    with pytest.raises(ConfigError, match="3 latents came with"):
        model.update_cache_context(draw(3, EMBED))


def test_another_latent_than_the_node_has_is_refused():
    model = build()
    roots = model.forward_initial_inference(draw(ENVS, FEATURES)).latent_state
    with pytest.raises(ConfigError, match="node 0 of environment 0 was continued with another latent"):
        model.forward_recurrent_inference([(roots + 1, [0] * ENVS)], 0)


def test_tokenizer_and_network_have_one_set_of_weights():
    config = small_config()
    tokenizer = Tokenizer(config)
    model = WorldModel(config, tokenizer)
    assert model.network.encoder is tokenizer.encoder
    observations = draw(3, FEATURES)
    assert torch.equal(tokenizer(observations), model.network.encode(observations))
    with pytest.raises(ConfigError, match="built for another config"):
        WorldModel(small_config(embed_dim=32), tokenizer)


def test_a_world_model_is_a_module_whose_weights_are_saved_and_loaded():
    model, other = build(1), build(2)
    other.load_state_dict(model.state_dict())
    seen = draw(ENVS, FEATURES)
    assert torch.equal(model.forward_initial_inference(seen).values, other.forward_initial_inference(seen).values)


def test_whole_sequences_are_predicted_as_by_the_network():
    model = build()
    latents, actions = draw(2, 9, EMBED), torch.randint(ACTIONS, (2, 9))
    assert torch.equal(model(latents, actions).value_logits, model.network(latents, actions).value_logits)


def loss_inputs(model: WorldModel) -> tuple:
    latents, actions = model.network.encode(draw(8, FEATURES)).unflatten(0, (2, 4)), torch.tensor([[0, 1, 2, 0]] * 2)
    targets = LossTargets(
        latents=draw(2, 4, EMBED, seed=1).unflatten(-1, (2, 8)).softmax(-1).flatten(-2),
        rewards=draw(2, 4, seed=2),
        values=draw(2, 4, seed=3) * 5,
        policies=draw(2, 4, ACTIONS, seed=4).softmax(-1),
        is_known=torch.tensor([[True, True, True, False], [True, False, True, True]]),
    )
    return latents, actions, targets


def test_losses_are_weighted_means_of_the_steps_that_count():
    model = build(gamma=0.9, policy_entropy_weight=0.2)
    latents, actions, targets = loss_inputs(model)
    loss, said = model.compute_loss(latents, actions, targets), model(latents, actions)
    sums, total_weight = dict.fromkeys(("latent", "reward", "value", "policy", "entropy"), 0.0), 0.0
    for row, step in targets.is_known.nonzero().tolist():
        weight, policy = 0.9**step, said.policy_logits[row, step].log_softmax(-1)
        wanted, found = targets.latents[row, step].view(2, 8), said.next_latents[row, step].view(2, 8)
        sums["latent"] += weight * (wanted * (wanted.log() - found.log())).sum(-1).mean()
        for name, logits in (("reward", said.reward_logits), ("value", said.value_logits)):
            scalar = (targets.rewards if name == "reward" else targets.values)[row, step]
            probabilities = model.network.support.encode(scalar)
            sums[name] -= weight * (probabilities * logits[row, step].log_softmax(-1)).sum()
        sums["policy"] -= weight * (targets.policies[row, step] * policy).sum()
        sums["entropy"] -= weight * (policy.exp() * policy).sum()
        total_weight += weight
    for name, wanted in sums.items():
        torch.testing.assert_close(getattr(loss, name), wanted / total_weight)
    mean = {name: wanted / total_weight for name, wanted in sums.items()}
    wanted = 10 * mean["latent"] + mean["reward"] + 0.5 * mean["value"] + mean["policy"] - 0.2 * mean["entropy"]
    torch.testing.assert_close(loss.total, wanted)


def test_every_weight_learns_from_the_loss_and_old_contexts_are_then_forgotten():
    model = build()
    store(model, draw(ENVS, EMBED))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model.compute_loss(*loss_inputs(model)).total.backward()
    assert all(weights.grad is not None and weights.grad.any() for weights in model.parameters())
    optimizer.step()
    model.retrieve_or_generate_kvcache(draw(ENVS, EMBED), ENVS)
    assert totals(model) == (0, 2 * ENVS)


def test_dropout_is_real_in_training_mode_and_absent_otherwise():
    model, plain = build(embed_pdrop=0.1, resid_pdrop=0.1, attn_pdrop=0.1), build()
    assert all(torch.equal(mine, its) for mine, its in zip(model.parameters(), plain.parameters(), strict=True))
    totals = [float(model.compute_loss(*loss_inputs(model)).total.detach()) for _ in range(2)]
    assert totals[0] != totals[1]
    without = float(plain.compute_loss(*loss_inputs(plain)).total.detach())
    assert without not in totals
    model.eval()
    assert {float(model.compute_loss(*loss_inputs(model)).total.detach()) for _ in range(2)} == {without}


@pytest.mark.parametrize("name", ["embed_pdrop", "resid_pdrop", "attn_pdrop"])
def test_each_kind_of_dropout_is_in_the_loss_alone(name):
    model, plain = build(**{name: 0.3}), build()
    latents, actions, _ = loss_inputs(plain)
    assert torch.equal(model(latents, actions).value_logits, plain(latents, actions).value_logits)
    totals = {float(model.compute_loss(*loss_inputs(model)).total.detach()) for _ in range(2)}
    assert len(totals) == 2


def test_the_use_of_the_network_is_told_where_it_is_asked_for():
    model = build(analysis_dormant_ratio_weight_rank=True, dormant_threshold=0.1)
    assert {name.split("/")[0] for name in model.figures()} == {"rank_share"}
    with torch.no_grad():
        model.network.latent_head.hidden.weight.zero_()
        model.network.latent_head.hidden.bias.zero_()
    model.compute_loss(*loss_inputs(model))
    figures = model.figures()
    assert set(figures) == {
        f"{kind}/{part}" for kind in ("dormant_share", "rank_share") for part in ("encoder", "transformer", "heads")
    }
    assert figures["dormant_share/heads"] >= 0.5
    assert all(0 <= share <= 1 for share in figures.values())
    model.forward_initial_inference(draw(ENVS, FEATURES))
    assert model.figures() == figures
    assert build().figures() == {}


@pytest.mark.parametrize("kind", ["mse", "smooth_l1"])
def test_the_latent_loss_is_the_one_that_was_chosen(kind):
    model = build(predict_latent_loss_type=kind)
    latents, actions, targets = loss_inputs(model)
    difference = (model(latents, actions).next_latents - targets.latents)[targets.is_known].abs()
    squares = difference**2 if kind == "mse" else torch.where(difference < 1, difference**2 / 2, difference - 0.5)
    torch.testing.assert_close(model.compute_loss(latents, actions, targets).latent, squares.mean())


def test_images_are_read_too():
    model = build(observation_shape=(3, 17, 20), obs_type="image", image_channel=3, norm_type="GN")
    found = model.forward_initial_inference(torch.randint(256, (2, 3, 17, 20), dtype=torch.uint8))
    assert found.policy_logits.shape == (2, ACTIONS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool, torch.int64])
def test_images_in_other_numbers_than_bytes_are_refused(dtype):
    model = build(observation_shape=(3, 17, 20), obs_type="image")
    images = torch.rand(2, 3, 17, 20)
    told = f"observations are images of {dtype}; give bytes .torch.uint8. from 0 to 255"
    right = (images * 255).round().to(torch.uint8)
    for request in (
        images.to(dtype),
        {"current_obs": images.to(dtype), "action": [-1, -1]},
        {"current_obs": right, "action": [-1, -1], "obs": images.to(dtype)},
    ):
        with pytest.raises(ConfigError, match=told):
            model.forward_initial_inference(request)
    with pytest.raises(ConfigError, match=told):
        Tokenizer(model.config)(images.to(dtype))
    assert model.forward_initial_inference(right).values.shape == (2,)


def test_what_is_neither_a_tensor_nor_a_dict_is_refused_in_words():
    preamble = (
        "import numpy as np\n"
        "from tests.compat.unizero.world_models import build\n"
        "model = build()\n"
        "def observe(seen):\n    return model.forward_initial_inference(seen)\n"
    )
    names = {
        "observe(np.zeros((2, 5), np.float32))": "ndarray",
        "observe([[0.0] * 5])": "list",
        "observe(None)": "NoneType",
    }
    for call, outcome in outcomes_of(preamble, list(names)).items():
        assert outcome.startswith(
            f"ConfigError: an initial inference was asked for with a {names[call]}; give a tensor"
        )
