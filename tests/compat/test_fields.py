"""Every row of the mapping: a value that is given reaches its field, in the right unit, and changes what was there."""

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from tests.compat.samples import SILENT, STEPS, WORLD, loaded, value_at

from kvzero.compat.lightzero.facts import CONTINUOUS, FACTS
from kvzero.compat.lightzero.fields import FIELDS
from kvzero.training import RunConfig

PONG = {"env.env_id": "PongNoFrameskip-v4"}
SWING = {"env.env_id": "Pendulum-v1", "env.continuous": True, "create_config.policy.type": "sampled_unizero"}
SLIPS = {"policy.eps.eps_greedy_exploration_in_collect": True}
BINS = {"env.env_id": "Pendulum-v1", "env.manually_discretization": True, "env.each_dim_disc_size": 9}
WALK = SWING | {
    "env.env_id": "dmc2gym-v0",
    "env.domain_name": "walker",
    "env.task_name": "walk",
    "env.from_pixels": False,
    "policy.model.observation_shape": 24,
}
PIXELS = WALK | {"env.from_pixels": True, "policy.model.observation_shape": (3, 48, 48)}
LEARNED = {f"{WORLD}.rotary_emb": False}

EXAMPLES: list[tuple[str, dict[str, Any], Any]] = [
    ("preset", {"env.env_id": "Acrobot-v1"}, "lightzero-Acrobot-v1"),
    ("preset", PONG, "lightzero-Pong-v5"),
    ("seed", {"seed": 3}, 3),
    ("device", {f"{WORLD}.device": "cpu"}, "cpu"),
    ("env.env_id", {"env.env_id": "CartPole-v0"}, "CartPole-v0"),
    ("env.env_id", PONG, "ALE/Pong-v5"),
    ("env.env_id", {"env.env_id": "LunarLanderContinuous-v2", "env.continuous": True}, "LunarLanderContinuous-v3"),
    (
        "env.env_id",
        {"env.env_id": "BipedalWalker-v3", "env.env_type": "hardcore", "env.continuous": True},
        "BipedalWalkerHardcore-v3",
    ),
    (
        "env.env_id",
        {"env.env_id": "BipedalWalker-v3", "env.env_type": "normal", "env.continuous": True},
        "BipedalWalker-v3",
    ),
    ("env.env_id", WALK, "dmc"),
    ("preset", WALK, "lightzero-walker-walk"),
    ("env.task", WALK, "walker-walk"),
    ("env.action_repeat", WALK, 4),
    ("env.action_repeat", WALK | {"env.frame_skip": 2, "env.action_repeat": 3}, 6),
    ("env.from_pixels", PIXELS, True),
    ("env.image_size", PIXELS, 48),
    ("agent.model.encoder_channels", PIXELS | {"policy.model.num_channels": 32}, 32),
    ("env.action_bins_per_dim", BINS, 9),
    ("env.grayscale", PONG | {"env.gray_scale": True}, True),
    ("env.grayscale", PONG | {"policy.model.image_channel": 1}, True),
    ("env.grayscale", PONG | {"env.observation_shape": (4, 64, 64)}, True),
    ("env.grayscale", PONG | {"env.observation_shape": (3, 64, 64), "env.frame_stack_num": 3}, True),
    ("env.frame_stack", PONG | {"env.frame_stack_num": 3}, 3),
    ("env.frame_stack", PONG | {"env.observation_shape": (4, 64, 64)}, 4),
    ("env.frame_stack", PONG | {"env.observation_shape": (6, 64, 64)}, 2),
    ("env.num_envs", {"policy.collector_env_num": 5}, 5),
    ("env.frame_skip", PONG | {"env.frame_skip": 3}, 3),
    ("env.frame_skip", {"env.env_id": "ALE/Pong-v5", "env.frame_skip": 2}, 2),
    ("env.sticky_action_probability", {"env.env_id": "PongNoFrameskip-v0"}, 0.25),
    ("env.clip_rewards", PONG | {"env.clip_rewards": False}, False),
    ("env.episodic_life", PONG | {"env.episode_life": False}, False),
    ("env.max_frames", PONG | {"env.collect_max_episode_steps": 500, "env.frame_skip": 3}, 1_500),
    ("env.max_frames", {"env.env_id": "ALE/Pong-v5", "env.collect_max_episode_steps": 500, "env.frame_skip": 1}, 500),
    ("env.image_size", PONG | {"policy.model.observation_shape": (3, 96, 96)}, 96),
    ("agent.model.embed_dim", {f"{WORLD}.embed_dim": 96}, 96),
    ("agent.model.num_layers", {f"{WORLD}.num_layers": 3}, 3),
    ("agent.model.num_heads", {f"{WORLD}.num_heads": 6}, 6),
    ("agent.model.context_tokens", {f"{WORLD}.context_length": 12}, 12),
    ("agent.model.positions", LEARNED, "learned"),
    ("agent.model.max_tokens", LEARNED | {f"{WORLD}.max_blocks": 40}, 80),
    ("agent.model.max_tokens", LEARNED | {"policy.td_steps": 5}, 30),
    ("agent.model.support_size", {f"{WORLD}.support_size": 601}, 601),
    ("agent.model.support_size", {"policy.model.support_scale": 300}, 601),
    ("agent.model.support_size", {"policy.model.reward_support_range": (-300.0, 301.0, 1.0)}, 601),
    ("agent.model.latent_norm", {f"{WORLD}.final_norm_option_in_encoder": "LayerNorm"}, "layernorm"),
    ("agent.model.encoder_channels", PONG | {"policy.model.num_channels": 32}, 32),
    ("agent.model.encoder_blocks", PONG | {"policy.model.num_res_blocks": 2}, 2),
    ("agent.model.image_norm", PONG | {"policy.model.norm_type": "LN"}, "layer"),
    (
        "agent.model.image_norm",
        PONG | {"policy.model.norm_type": "LN", "policy.model.observation_shape": (3, 64, 64)},
        "layer",
    ),
    ("agent.model.image_norm", PIXELS, "layer"),
    ("agent.store", {f"{WORLD}.use_new_cache_manager": True}, "pooled"),
    ("agent.store", {f"{WORLD}.use_new_cache_manager": False}, "legacy"),
    ("agent.store", LEARNED, "pooled"),
    ("agent.store", LEARNED | {f"{WORLD}.use_new_cache_manager": False}, "legacy"),
    ("agent.cache.init_pool_size", {f"{WORLD}.use_new_cache_manager": True}, 7),
    ("agent.cache.init_pool_size", {f"{WORLD}.use_new_cache_manager": True, f"{WORLD}.max_cache_size": 5}, 5),
    ("agent.cache.recur_pool_size", {f"{WORLD}.use_new_cache_manager": True, f"{WORLD}.max_cache_size": 300}, 300),
    ("agent.search.num_simulations", {"policy.num_simulations": 11}, 11),
    ("agent.search.num_simulations", {"policy.collect_num_simulations": 12}, 12),
    ("agent.num_eval_simulations", {"policy.eval_num_simulations": 13}, 13),
    ("agent.num_eval_simulations", {"policy.num_simulations": 14, "policy.collect_num_simulations": 12}, 14),
    ("agent.sampling.num_sampled_actions", SWING | {"policy.model.num_of_sampled_actions": 7}, 7),
    ("agent.sampling.num_wide_actions", SWING, 0),
    ("agent.search.discount", {"policy.discount_factor": 1}, 1.0),
    ("agent.search.rule", {"policy.gumbel_algo": True}, "gumbel"),
    (
        "agent.search.gumbel.num_considered_actions",
        {"policy.gumbel_algo": True, "policy.max_num_considered_actions": 7},
        7,
    ),
    ("agent.search.puct.pb_c_base", {"policy.pb_c_base": 500}, 500.0),
    ("agent.search.puct.pb_c_init", {"policy.pb_c_init": 2.0}, 2.0),
    ("agent.search.puct.dirichlet_alpha", {"policy.root_dirichlet_alpha": 0.5}, 0.5),
    ("agent.search.puct.noise_weight", {"policy.root_noise_weight": 0.1}, 0.1),
    ("agent.search.min_value_range", {"policy.value_delta_max": 0.02}, 0.02),
    ("replay.replay_capacity", {"policy.replay_buffer_size": 5e4}, 50_000),
    ("learner.shift_pixels", PONG | {"policy.use_augmentation": True}, 4),
    ("replay.sampler", {"policy.use_priority": True}, "prioritised"),
    ("replay.priority_alpha", {"policy.use_priority": True, "policy.priority_prob_alpha": 1}, 1.0),
    ("replay.priority_beta", {"policy.use_priority": True, "policy.priority_prob_beta": 0.7}, 0.7),
    ("learner.batch_size", {"policy.batch_size": 33}, 33),
    ("learner.unroll_steps", {"policy.num_unroll_steps": 4}, 4),
    ("learner.bootstrap_steps", {"policy.td_steps": 6}, 6),
    ("learner.learning_rate", {"policy.learning_rate": 0.003}, 0.003),
    ("learner.weight_decay", {"policy.weight_decay": 0.01}, 0.01),
    ("learner.max_gradient_norm", {"policy.grad_clip_value": 5}, 5.0),
    ("learner.max_gradient_norm", SWING, 5.0),
    ("learner.ema_rate", {"policy.target_update_theta": 0.01}, 0.01),
    ("learner.latent_loss", {f"{WORLD}.predict_latent_loss_type": "mse"}, "mse"),
    ("learner.latent_loss", {f"{WORLD}.final_norm_option_in_obs_head": "LayerNorm"}, "mse"),
    ("learner.latent_weight", {f"{WORLD}.obs_loss_weight": 2}, 2.0),
    ("learner.reward_weight", SWING, 0.1),
    ("learner.value_weight", SWING, 0.1),
    ("learner.policy_weight", SWING, 0.1),
    ("learner.entropy_weight", SWING, 5e-3),
    ("learner.entropy_weight", SWING | {f"{WORLD}.policy_entropy_weight": 0.02}, 0.02),
    ("learner.reward_weight", {f"{WORLD}.reward_loss_weight": 3}, 3.0),
    ("learner.value_weight", {f"{WORLD}.value_loss_weight": 0.25}, 0.25),
    ("learner.policy_weight", {f"{WORLD}.policy_loss_weight": 4}, 4.0),
    ("learner.entropy_weight", {f"{WORLD}.policy_entropy_weight": 5e-3}, 5e-3),
    ("schedule.round_env_steps", {"policy.num_segments": 4, "policy.game_segment_length": 20}, 80),
    ("schedule.replay_ratio", {"policy.replay_ratio": 1}, 1.0),
    ("schedule.replay_ratio", {"policy.update_per_collect": 42}, 2.0),
    ("reanalysis.reanalysed_rows", {"policy.reanalyze_ratio": 0.25, "policy.batch_size": 30}, 7 * 11),
    (
        "reanalysis.reanalysed_rows",
        {"policy.buffer_reanalyze_freq": 1 / 10, "policy.reanalyze_batch_size": 70, "policy.replay_ratio": 0.5},
        round(70 * 10 / 10 / (21 / 2)),
    ),
    ("schedule.learning_starts", {"policy.train_start_after_envsteps": 2000}, 2000),
    ("schedule.learning_starts", {"policy.batch_size": 33}, 33),
    ("schedule.total_env_steps", {"max_env_step": 800}, 800),
    ("schedule.total_env_steps", {"max_train_iter": 100}, 256 + 400),
    ("schedule.first_temperature", {"policy.manual_temperature_decay": True}, 1.0),
    ("schedule.first_temperature", {"policy.fixed_temperature_value": 0.7}, 0.7),
    ("schedule.final_temperature", {"policy.fixed_temperature_value": 0.7}, 0.7),
    (
        "schedule.temperature_env_steps",
        {"policy.manual_temperature_decay": True, "policy.threshold_training_steps_for_final_temperature": 1000},
        3_000,
    ),
    ("schedule.first_temperature", SLIPS, 0.01),
    ("schedule.final_temperature", SLIPS | {"policy.manual_temperature_decay": True}, 0.01),
    ("schedule.epsilon", SLIPS, 1.0),
    ("schedule.epsilon", SLIPS | {"policy.eps.start": 0.5}, 0.5),
    ("schedule.final_epsilon", SLIPS, 0.05),
    ("schedule.final_epsilon", SLIPS | {"policy.eps.end": 0}, 0.0),
    ("schedule.epsilon_env_steps", SLIPS | {"policy.eps.decay": 2e4}, 20_000),
    ("schedule.eval_every", {"policy.eval_freq": 500}, 2_000),
    ("schedule.eval_every", {"policy.eval_freq": 500, "policy.replay_ratio": 0.5}, 1_000),
    ("schedule.eval_every", {"policy.replay_ratio": 0.0}, STEPS),
    ("schedule.eval_episodes", {"env.n_evaluator_episode": 6}, 6),
    ("schedule.eval_episodes", {"env.evaluator_env_num": 2}, 2),
    ("schedule.final_eval_episodes", {"env.n_evaluator_episode": 6}, 6),
    ("schedule.num_eval_envs", {"policy.evaluator_env_num": 2}, 2),
    ("schedule.max_eval_steps", {"env.eval_max_episode_steps": 300}, 300),
    ("schedule.checkpoint_every", {"policy.learn.learner.hook.save_ckpt_after_iter": 500}, 2_000),
]

CONSTANT = {"learner.final_learning_rate_share"}
"""Fields that no name of a LightZero config changes."""


@pytest.mark.filterwarnings("ignore::kvzero.compat.LightZeroWarning")
@pytest.mark.parametrize(("path", "given", "expected"), EXAMPLES)
def test_what_is_given_reaches_its_field(path, given, expected):
    if given.get("env.env_id") == "dmc2gym-v0":
        pytest.importorskip("dm_control", reason="the extra dmc is not installed (it has no Python 3.13)")
    options = {name: given[name] for name in ("seed", "max_env_step", "max_train_iter") if name in given}
    settings = {name: value for name, value in given.items() if name not in options}
    found = value_at(loaded(settings, **options), path)
    assert found == expected
    assert type(found) is type(expected)
    assert value_at(loaded(SILENT), path) != expected


def test_every_field_of_the_mapping_has_an_example():
    assert {field.path for field in FIELDS} == {path for path, _, _ in EXAMPLES} | CONSTANT


def test_every_fact_is_read_by_a_field_or_by_a_check():
    reads = {name for field in FIELDS for name in field.facts}
    own = {fact.names[0] for fact in FACTS}
    world = ("context_length_for_recurrent", "infer_context_length", "max_tokens", "obs_type", "env_num")
    agent = (CONTINUOUS, "create_config.policy.type", "create_config.env.type", "policy.sampled_algo", "env.rew_clip")
    checked = {"policy.model.action_space_size", "policy.model.model_type", *(f"{WORLD}.{name}" for name in world)}
    checked |= {*agent, "policy.reanalyze_partition"}
    assert reads | checked == own
    assert not reads & checked


def test_no_name_stands_for_two_facts():
    names = [name for fact in FACTS for name in fact.names]
    assert sorted(names) == sorted(set(names))


def test_every_field_is_one_of_a_run():
    for path in (field.path for field in FIELDS):
        *rooms, name = path.split(".")
        record = RunConfig(preset="mine")
        for room in rooms:
            record = getattr(record, room)
        assert is_dataclass(record)
        assert name in {field.name for field in fields(record)}


def test_a_config_that_says_nothing_has_lightzeros_defaults_but_for_store_and_positions():
    config = loaded()
    model, learner, schedule = config.agent.model, config.learner, config.schedule
    assert (model.embed_dim, model.num_layers, model.num_heads, model.context_tokens) == (768, 2, 8, 8)
    assert (model.support_size, model.latent_norm, learner.latent_loss) == (101, "simnorm", "group_kl")
    assert (learner.batch_size, learner.unroll_steps, learner.bootstrap_steps) == (256, 10, 5)
    assert (learner.learning_rate, learner.final_learning_rate_share, learner.ema_rate) == (1e-4, 1.0, 0.05)
    assert (config.agent.search.num_simulations, config.agent.search.discount) == (50, 0.997)
    assert (schedule.replay_ratio, schedule.eval_every, schedule.checkpoint_every) == (0.25, 8_000, 40_000)
    assert (schedule.first_temperature, schedule.final_temperature) == (0.25, 0.25)
    assert (config.env.num_envs, schedule.num_eval_envs, config.replay.replay_capacity) == (8, 3, 1_000_000)
    assert (config.agent.store, model.positions) == ("tree", "rotary")
