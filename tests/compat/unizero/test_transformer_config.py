"""A `TransformerConfig`: settings by keyword and by assignment, what is refused when, and the copy of a model."""

import copy
import pickle
import warnings
from dataclasses import fields, replace

import pytest
import torch
from tests.compat.unizero.world_models import EMBED, FEATURES, build, small_config

from kvzero import LightZeroWarning, Tokenizer, TransformerConfig, WorldModel
from kvzero.errors import ConfigError

IMPOSSIBLE = [
    ("tokens_per_block", 3, "tokens_per_block is 3, but can only be 2: a step is"),
    ("attention", "block_causal", "can only be 'causal'"),
    ("embed_pdrop", 1.0, "embed_pdrop is 1.0; give a share from 0 up to, but not including, 1"),
    ("resid_pdrop", -0.1, "resid_pdrop is -0.1"),
    ("attn_pdrop", 1.5, "attn_pdrop is 1.5"),
    ("task_embed_option", "concat_task_embed", "give none: a world model has one task"),
    ("continuous_action_space", True, "discrete actions"),
    ("latent_recon_loss_weight", 1.0, "no decoder"),
    ("perceptual_loss_weight", 1.0, "no decoder"),
    ("action_space_size", 0, "action_space_size is 0; give at least 1"),
    ("dormant_threshold", -1.0, "dormant_threshold is -1.0; give 0 or more"),
    ("gamma", 0.0, "gamma is 0.0"),
    ("policy_entropy_weight", -1.0, "policy_entropy_weight is -1.0"),
    ("max_blocks", 0, "max_blocks is 0; give at least 1"),
    ("env_num", 0, "env_num is 0"),
    ("num_simulations", 0, "num_simulations is 0"),
    ("game_segment_length", 0, "game_segment_length is 0"),
    ("max_cache_size", -1, "max_cache_size is -1"),
    ("group_size", 0, "group_size is 0"),
    ("cache_max_bytes", 0, "cache_max_bytes is 0; give at least 1"),
    ("init_pool_bounds", (4, 4), r"init_pool_bounds is \(4, 4\); give the smallest size"),
    ("recur_pool_bounds", (0, 9), r"recur_pool_bounds is \(0, 9\); give the smallest size"),
]
CONTRADICTIONS = [
    ({"group_size": 4}, "group_size is 4, but can only be 8 where predict_latent_loss_type is group_kl"),
    ({"obs_type": "image"}, "obs_type is 'image', but observation_shape .* is that of a vector"),
    ({"observation_shape": (3, 17, 20), "obs_type": "image", "image_channel": 1}, "image_channel is 1"),
    ({"norm_type": "GN"}, "norm_type is 'GN', but the encoder of a vector has LN"),
    ({"context_length": 20}, "longer than the 18 tokens of max_blocks 9; give max_blocks at least 10"),
    ({"context_length": 5}, "context_length is 5; give an even number"),
    ({"context_length": 2}, "context_length is 2; .* of at least 4 where rotary_emb is False"),
    ({"context_length": 0, "rotary_emb": True}, "context_length is 0; .* of at least 2 where rotary_emb is True"),
    ({"eviction": "lru"}, "eviction is lru, which has no effect on the older caches"),
    ({"pool_codec": "int8"}, "pool_codec is int8, which has no effect on the older caches"),
    ({"init_pool_bounds": (2, 9)}, r"init_pool_bounds is \(2, 9\), which has no effect on the older caches"),
    ({"recur_pool_bounds": (2, 99)}, r"recur_pool_bounds is \(2, 99\), which has no effect on the older caches"),
    (
        {"use_new_cache_manager": True, "recur_pool_bounds": (2, 99), "enable_stats": False},
        "pools adapt to statistics, which are off",
    ),
    (
        {"use_new_cache_manager": True, "recur_pool_bounds": (2, 99), "max_cache_size": 98},
        "grow to 99 contexts by its bounds, but max_cache_size is 98",
    ),
    ({"rotary_emb": True, "window": "shift"}, "window is shift, which has no effect with positions=rotary"),
    ({"support_size": 10}, "support_size is 10"),
    ({"num_heads": 3}, "not divisible by num_heads 3"),
]


@pytest.mark.parametrize(("name", "value", "words"), IMPOSSIBLE)
def test_what_no_model_could_have_is_refused_at_once_by_keyword_and_by_assignment(name, value, words):
    with pytest.raises(ConfigError, match=words):
        small_config(**{name: value})
    config = small_config()
    before = getattr(config, name)
    with pytest.raises(ConfigError, match=words):
        setattr(config, name, value)
    assert getattr(config, name) == before


@pytest.mark.parametrize(("changes", "words"), CONTRADICTIONS)
def test_what_does_not_fit_together_is_refused_when_something_is_built(changes, words):
    config = small_config(**changes)
    with pytest.raises(ConfigError, match=words):
        config.checked()
    with pytest.raises(ConfigError, match=words):
        Tokenizer(config)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("predict_latent_loss_type", "l0", "choose one of mse, smooth_l1, group_kl"),
        ("norm_type", "BN", "choose one of LN, GN"),
        ("obs_type", "text", "choose one of image, vector"),
        ("key_mode", "hash", "choose one of path, latent"),
        ("eviction", "random", "choose one of fifo, lru, priority"),
        ("window", "jump", "choose one of rebuild, shift"),
        ("pool_codec", "int4", "choose one of none, float16, int8"),
    ],
)
def test_unknown_choices_are_refused(name, value, words):
    with pytest.raises(ConfigError, match=f"{name} is '{value}'; {words}"):
        setattr(small_config(), name, value)


def test_a_value_of_a_wrong_type_is_refused_where_it_is_assigned():
    config = small_config()
    with pytest.raises(ConfigError, match="env_num is '4', of type str; give an integer"):
        config.env_num = "4"
    with pytest.raises(AttributeError, match="num_env"):
        config.num_env = 4


def test_settings_may_be_assigned_in_any_order_whatever_they_contradict_meanwhile():
    config = TransformerConfig(num_heads=2, embed_dim=EMBED, support_size=11)
    config.context_length = 24
    config.obs_type = "vector"
    config.observation_shape = FEATURES
    config.max_blocks = 12
    config.eviction = "lru"
    config.use_new_cache_manager = True
    model = WorldModel(config, Tokenizer(config))
    assert model.config == config
    assert (model.config.layout.context_tokens, model.kv_cache_manager.recur_pool.eviction_strategy.value) == (
        24,
        "lru",
    )


@pytest.mark.parametrize("use_new_cache_manager", [True, False])
def test_nothing_is_counted_where_statistics_are_off(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager, enable_stats=False)
    model.retrieve_or_generate_kvcache(torch.zeros(2, EMBED), 2)
    assert model.cache_stats() == {}
    if use_new_cache_manager:
        assert model.kv_cache_manager.stats_enabled is False
    else:
        assert model.hit_count == model.total_query_count == 0


def test_pools_have_the_bounds_the_codec_and_the_budget_of_the_config():
    model = build(
        use_new_cache_manager=True,
        game_segment_length=20,
        init_pool_bounds=(2, 9),
        recur_pool_bounds=(3, 30),
        pool_codec="int8",
        cache_max_bytes=10**6,
    )
    manager, cache = model.kv_cache_manager, model.config.cache
    assert (manager.init_pools[0].pool_size, manager.recur_pool.pool_size) == (9, 20)
    assert [pool.codec for pool in manager.pools()] == ["int8"] * 6
    assert len(manager.sizers()) == 5
    assert (cache.init_pool_bounds, cache.recur_pool_bounds, cache.cache_max_bytes) == ((2, 9), (3, 30), 10**6)


@pytest.mark.parametrize("use_new_cache_manager", [True, False])
def test_caches_past_their_budget_are_refused(use_new_cache_manager):
    with pytest.raises(ConfigError, match="cache_max_bytes is 9,999"):
        build(use_new_cache_manager=use_new_cache_manager, cache_max_bytes=9_999)


def test_a_model_keeps_a_copy_that_nothing_changes():
    config = small_config()
    model = WorldModel(config, Tokenizer(config))
    config.env_num = 7
    assert model.config.env_num == 4
    with pytest.raises(ConfigError, match="env_num was assigned to the config of a model that exists"):
        model.config.env_num = 7
    for twin in (copy.deepcopy(model.config), pickle.loads(pickle.dumps(model.config)), copy.deepcopy(model).config):
        assert twin == model.config
        assert twin.is_checked
    other = replace(model.config, env_num=7)
    other.env_num = 8
    assert other.checked().env_num == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group_size": 4}, r"group_size=4: latents have a layer norm"),
        ({"image_channel": 3}, r"image_channel=3: an observation is a vector"),
        ({"group_size": 4, "image_channel": 3}, r"group_size=4.*; image_channel=3"),
    ],
)
def test_what_changes_no_result_is_taken_with_one_warning(changes, words):
    config = small_config(predict_latent_loss_type="mse", **changes)
    with pytest.warns(LightZeroWarning, match=words) as told:
        WorldModel(config, Tokenizer(config))
    assert len(told) == 1


@pytest.mark.parametrize("value", ["none", None])
def test_one_task_may_be_said_in_two_ways(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(task_embed_option=value).config.task_embed_option == value


def test_a_layer_norm_is_one_in_the_encoder_of_images_too():
    image = {"observation_shape": (3, 17, 20), "obs_type": "image", "image_channel": 3}
    model = build(**image, norm_type="LN")
    kinds = {type(module) for module in model.network.encoder.modules()}
    assert torch.nn.LayerNorm in kinds
    assert torch.nn.GroupNorm not in kinds
    for norm_type in ("GN", None):
        kinds = {type(module) for module in build(**image, norm_type=norm_type).network.encoder.modules()}
        assert torch.nn.GroupNorm in kinds
    assert build(norm_type="LN").config.model == build().config.model


def test_every_name_of_the_report_is_taken():
    names = (
        "tokens_per_block max_blocks attention num_layers num_heads embed_dim embed_pdrop resid_pdrop attn_pdrop "
        "task_embed_option env_num game_segment_length num_simulations action_space_size observation_shape "
        "image_channel support_size obs_type device continuous_action_space group_size norm_type rotary_emb "
        "context_length policy_entropy_weight predict_latent_loss_type gamma dormant_threshold "
        "analysis_dormant_ratio_weight_rank latent_recon_loss_weight perceptual_loss_weight max_cache_size "
        "use_new_cache_manager"
    )
    assert set(names.split()) <= {field.name for field in fields(TransformerConfig)}


def test_the_config_says_in_other_words_what_the_network_is():
    model = small_config(rotary_emb=False, window="shift", predict_latent_loss_type="mse").model
    assert (model.positions, model.max_tokens, model.window, model.latent_norm) == ("learned", 18, "shift", "layernorm")
    assert (model.embed_dim, model.num_heads, model.num_layers, model.context_tokens) == (EMBED, 2, 2, 6)
    assert small_config(rotary_emb=True).model.positions == "rotary"
    assert small_config(observation_shape=(FEATURES,)).spec == small_config().spec
