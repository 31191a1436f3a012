"""The mapping: each field of a run's config that a LightZero config decides, what it is read from, and how.

The order counts: a field may be read from fields above it. What is not listed, or comes out as None, keeps kvzero's
default.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kvzero.compat.lightzero import conversions as to
from kvzero.compat.lightzero.environment import find_game
from kvzero.compat.lightzero.facts import CONTINUOUS, WORLD

__all__ = ["FIELDS", "Field", "fill_fields"]

Scope = Literal["all", "atari", "dmc", "image", "surely image", "resized", "continuous", "puct", "gumbel"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of `RunConfig` and where its value comes from."""

    path: str
    """Dotted name of the field."""

    facts: tuple[str, ...]
    """What it is made of, by LightZero's names."""

    convert: Callable[..., Any] = to.same
    """What makes the field's value of theirs, and of the values of `fields` after them."""

    fields: tuple[str, ...] = ()
    """Fields above this one that it is made of as well."""

    scope: Scope = "all"
    """Which environments the field is for, or which rule of search."""


NORM, LATENT_LOSS = f"{WORLD}.final_norm_option_in_encoder", f"{WORLD}.predict_latent_loss_type"
RANGE, SHAPE = "policy.model.reward_support_range", "policy.model.observation_shape"
SAVE_FREQUENCY = "policy.learn.learner.hook.save_ckpt_after_iter"
SEGMENT, RATIO, TOTAL = "policy.game_segment_length", "schedule.replay_ratio", "schedule.total_env_steps"
UNROLL, TD_STEPS = "policy.num_unroll_steps", "policy.td_steps"
SEQUENCES = "policy.reanalyze_batch_size"
GUMBEL = "policy.gumbel_algo"
COLLECT, EVALUATE = "policy.collect_num_simulations", "policy.eval_num_simulations"
IS_SLIPPING = "policy.eps.eps_greedy_exploration_in_collect"
IS_DECAYING, FIXED_TEMPERATURE = "policy.manual_temperature_decay", "policy.fixed_temperature_value"
TEMPERATURES = (IS_SLIPPING, IS_DECAYING, FIXED_TEMPERATURE)
DECAY_UPDATES = "policy.threshold_training_steps_for_final_temperature"

GREY, COLOURS, STACK = "env.gray_scale", "policy.model.image_channel", "policy.model.frame_stack_num"
TASK = ("env.domain_name", "env.task_name")
AUGMENTATION = ("policy.use_augmentation", "policy.augmentation")

FIELDS: tuple[Field, ...] = (
    Field("preset", ("env.env_id", *TASK), to.run_label),
    Field("seed", ("seed",)),
    Field("device", (f"{WORLD}.device",), to.device),
    # what is played
    Field("env.env_id", ("env.env_id", "env.env_type"), to.env_id),
    Field("env.task", TASK, to.task, scope="dmc"),
    Field("env.action_repeat", ("env.frame_skip", "env.action_repeat"), to.action_repeat, scope="dmc"),
    Field("env.from_pixels", ("env.from_pixels",), scope="dmc"),
    Field("env.action_bins_per_dim", ("env.manually_discretization", "env.each_dim_disc_size"), to.action_bins_per_dim),
    Field("env.num_envs", ("policy.collector_env_num",)),
    Field("env.frame_skip", ("env.frame_skip",), scope="atari"),
    Field("env.sticky_action_probability", ("env.env_id",), to.sticky_action_probability, scope="atari"),
    Field("env.clip_rewards", ("env.clip_rewards",), scope="atari"),
    Field("env.episodic_life", ("env.episode_life",), scope="atari"),
    Field(
        "env.max_frames", ("env.collect_max_episode_steps",), to.max_frames, fields=("env.frame_skip",), scope="atari"
    ),
    Field("env.image_size", (SHAPE,), to.image_size, scope="resized"),
    Field("env.grayscale", (GREY, COLOURS, STACK, SHAPE), to.is_grey, scope="atari"),
    Field("env.frame_stack", (STACK, SHAPE), to.frame_stack, fields=("env.grayscale",), scope="atari"),
    # the world model
    Field("agent.model.embed_dim", (f"{WORLD}.embed_dim",)),
    Field("agent.model.num_layers", (f"{WORLD}.num_layers",)),
    Field("agent.model.num_heads", (f"{WORLD}.num_heads",)),
    Field("agent.model.context_tokens", (f"{WORLD}.context_length",)),
    Field("agent.model.positions", (f"{WORLD}.rotary_emb",), to.positions),
    Field(
        "agent.model.max_tokens",
        (f"{WORLD}.max_blocks", UNROLL, TD_STEPS),
        to.max_tokens,
        fields=("agent.model.positions",),
    ),
    Field("agent.model.support_size", (f"{WORLD}.support_size", "policy.model.support_scale", RANGE), to.support_size),
    Field("agent.model.latent_norm", (NORM,)),
    Field("agent.model.encoder_channels", ("policy.model.num_channels",), scope="image"),
    Field("agent.model.encoder_blocks", ("policy.model.num_res_blocks",), scope="image"),
    Field("agent.model.image_norm", ("policy.model.norm_type",), scope="surely image"),
    # search and cache
    Field("agent.store", (f"{WORLD}.use_new_cache_manager",), to.store, ("agent.model.positions",)),
    Field("agent.search.num_simulations", ("policy.num_simulations", COLLECT), to.collect_simulations),
    Field("agent.num_eval_simulations", ("policy.num_simulations", COLLECT, EVALUATE), to.eval_simulations),
    Field("agent.cache.init_pool_size", (SEGMENT, f"{WORLD}.max_cache_size"), to.init_pool_size, ("agent.store",)),
    Field(
        "agent.cache.recur_pool_size",
        (f"{WORLD}.max_cache_size",),
        to.recur_pool_size,
        ("agent.store", "agent.search.num_simulations", "env.num_envs"),
    ),
    Field("agent.sampling.num_sampled_actions", ("policy.model.num_of_sampled_actions",), scope="continuous"),
    Field("agent.sampling.num_wide_actions", (), to.none_wide, scope="continuous"),
    Field("agent.search.discount", ("policy.discount_factor",)),
    Field("agent.search.rule", (GUMBEL,), to.rule),
    Field("agent.search.puct.pb_c_base", ("policy.pb_c_base",), scope="puct"),
    Field("agent.search.puct.pb_c_init", ("policy.pb_c_init",), scope="puct"),
    Field("agent.search.puct.dirichlet_alpha", ("policy.root_dirichlet_alpha",), scope="puct"),
    Field("agent.search.puct.noise_weight", ("policy.root_noise_weight",), scope="puct"),
    Field("agent.search.gumbel.num_considered_actions", ("policy.max_num_considered_actions",), scope="gumbel"),
    Field("agent.search.min_value_range", ("policy.value_delta_max",)),
    # learning
    Field("replay.replay_capacity", ("policy.replay_buffer_size",)),
    Field("replay.sampler", ("policy.use_priority",), to.sampler),
    Field("replay.priority_alpha", ("policy.priority_prob_alpha", "policy.use_priority"), to.where_used),
    Field("replay.priority_beta", ("policy.priority_prob_beta", "policy.use_priority"), to.where_used),
    Field("learner.shift_pixels", AUGMENTATION, to.shift_pixels, scope="surely image"),
    Field("learner.batch_size", ("policy.batch_size",)),
    Field("learner.unroll_steps", (UNROLL,)),
    Field("learner.bootstrap_steps", (TD_STEPS,)),
    Field("learner.learning_rate", ("policy.learning_rate",)),
    Field("learner.final_learning_rate_share", (), to.constant_rate),
    Field("learner.weight_decay", ("policy.weight_decay",)),
    Field("learner.max_gradient_norm", ("policy.grad_clip_value",)),
    Field("learner.ema_rate", ("policy.target_update_theta",)),
    Field("learner.latent_loss", (LATENT_LOSS, NORM), to.latent_loss),
    Field("learner.latent_weight", (f"{WORLD}.obs_loss_weight",)),
    Field("learner.reward_weight", (f"{WORLD}.reward_loss_weight",)),
    Field("learner.value_weight", (f"{WORLD}.value_loss_weight",)),
    Field("learner.policy_weight", (f"{WORLD}.policy_loss_weight",)),
    Field("learner.entropy_weight", (f"{WORLD}.policy_entropy_weight",)),
    # the schedule
    Field("schedule.round_env_steps", ("policy.num_segments", "policy.n_episode", SEGMENT), to.round_env_steps),
    Field(RATIO, ("policy.replay_ratio", "policy.update_per_collect"), to.replay_ratio, ("schedule.round_env_steps",)),
    Field(
        "reanalysis.reanalysed_rows",
        ("policy.reanalyze_ratio", "policy.batch_size", UNROLL, "policy.buffer_reanalyze_freq", SEQUENCES),
        to.reanalysed_rows,
        (RATIO, "schedule.round_env_steps"),
    ),
    Field("schedule.learning_starts", ("policy.train_start_after_envsteps", "policy.batch_size"), to.learning_starts),
    Field(TOTAL, ("max_env_step", "max_train_iter"), to.total_env_steps, ("schedule.learning_starts", RATIO)),
    Field("schedule.first_temperature", TEMPERATURES, to.first_temperature, scope="puct"),
    Field("schedule.final_temperature", TEMPERATURES, to.final_temperature, scope="puct"),
    Field(
        "schedule.temperature_env_steps",
        (IS_SLIPPING, IS_DECAYING, DECAY_UPDATES),
        to.temperature_env_steps,
        (RATIO, TOTAL),
        scope="puct",
    ),
    Field("schedule.epsilon", ("policy.eps.start", IS_SLIPPING), to.where_used),
    Field("schedule.final_epsilon", ("policy.eps.end", IS_SLIPPING), to.where_used),
    Field("schedule.epsilon_env_steps", ("policy.eps.decay", IS_SLIPPING), to.where_used),
    Field("schedule.eval_every", ("policy.eval_freq",), to.env_steps, (RATIO, TOTAL)),
    Field("schedule.eval_episodes", ("env.n_evaluator_episode", "policy.evaluator_env_num"), to.first_given),
    Field("schedule.final_eval_episodes", (), to.same, ("schedule.eval_episodes",)),
    Field("schedule.num_eval_envs", ("policy.evaluator_env_num",)),
    Field("schedule.max_eval_steps", ("env.eval_max_episode_steps",)),
    Field("schedule.checkpoint_every", (SAVE_FREQUENCY,), to.env_steps, (RATIO, TOTAL)),
)


def fill_fields(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every field that these facts decide, by path."""
    is_in_scope = _find_scopes(facts)
    values: dict[str, Any] = {}
    for field in FIELDS:
        sources = (*(facts[name] for name in field.facts), *(values[path] for path in field.fields))
        values[field.path] = field.convert(*sources) if is_in_scope[field.scope] else None
    return {path: value for path, value in values.items() if value is not None}


def _find_scopes(facts: Mapping[str, Any]) -> dict[Scope, bool]:
    """Return which fields are for the environment of these facts."""
    game = find_game(facts["env.env_id"])
    is_suite = game.is_atari or game.is_dmc
    is_image = facts["env.from_pixels"] if game.is_dmc else facts[SHAPE] is None or len(facts[SHAPE]) == 3
    return {
        "all": True,
        "atari": game.is_atari,
        "dmc": game.is_dmc,
        "image": is_image,
        "surely image": is_image and (is_suite or facts[SHAPE] is not None),
        "resized": is_image and is_suite,
        "continuous": facts[CONTINUOUS],
        "puct": not facts[GUMBEL],
        "gumbel": facts[GUMBEL],
    }
