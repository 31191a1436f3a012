"""What a LightZero config can say that kvzero understands: names, how values are read, and LightZero's defaults.

Defaults are those of the UniZero policies and environments of LightZero 0.2.0: a config means here what it means there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kvzero.compat.lightzero.readers import Reader, choice, flag, number, shape, shown, span, text, texts, whole
from kvzero.compat.lightzero.stubs import Placeholder
from kvzero.errors import ConfigError

__all__ = ["CONTINUOUS", "ENV_NUM", "FACTS", "WORLD", "Fact", "read_facts"]

WORLD = "policy.model.world_model_cfg"
"""Where LightZero nests what its world model is told."""

CONTINUOUS = "policy.model.continuous_action_space"
ENV_NUM = f"{WORLD}.env_num"

IMAGE_NORMS = {"BN": "group", "LN": "layer"}
NORMS = {"SimNorm": "simnorm", "LayerNorm": "layernorm"}
LATENT_LOSSES = {"group_kl": "group_kl", "mse": "mse", "cos_sim": "cos_sim"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a config says, under any of its names; where it says it twice, it must say the same."""

    names: tuple[str, ...]
    """Dotted names, the first of which is the fact's own."""

    read: Reader
    """How a value is read."""

    default: Any = None
    """What LightZero takes if no name is there; None where another fact, or the environment, decides."""

    sampled_default: Any = None
    """What it takes where actions are continuous, if that is something else."""

    most: str = ""
    """Name of another fact that the default does not exceed, where a config gives that."""

    is_visible: bool = False
    """Whether the environment shows it, so that a value which the file could not look up does no harm."""


FACTS: tuple[Fact, ...] = (
    # what is played
    Fact(("env.env_id", "env.env_name"), text),
    Fact(("policy.model.observation_shape", f"{WORLD}.observation_shape", "env.observation_shape", "env.obs_shape"),
         shape, is_visible=True),
    Fact(("policy.model.action_space_size", f"{WORLD}.action_space_size"), whole, is_visible=True),
    Fact((CONTINUOUS, f"{WORLD}.continuous_action_space", "policy.continuous_action_space", "env.continuous"),
         flag, False),
    Fact(("create_config.policy.type",), text),
    Fact(("create_config.env.type",), text),
    Fact(("policy.sampled_algo",), flag),
    Fact(("env.env_type",), text),
    Fact(("env.domain_name",), text),
    Fact(("env.task_name",), text),
    Fact(("env.from_pixels",), flag, True),
    Fact(("env.action_repeat",), whole, 1),
    Fact(("env.manually_discretization",), flag, False),
    Fact(("env.each_dim_disc_size",), whole),
    Fact(("env.rew_clip",), flag, True),
    Fact(("env.gray_scale", "policy.gray_scale", "policy.model.gray_scale"), flag),
    Fact(("policy.model.frame_stack_num", "env.frame_stack_num"), whole),
    Fact(("policy.model.image_channel", f"{WORLD}.image_channel"), whole),
    Fact(("policy.collector_env_num", "env.collector_env_num", f"{WORLD}.collector_env_num"), whole, 8,
         most=ENV_NUM),
    Fact(("policy.evaluator_env_num", "env.evaluator_env_num", f"{WORLD}.evaluator_env_num"), whole, 3,
         most=ENV_NUM),
    Fact(("env.n_evaluator_episode",), whole),
    Fact(("env.frame_skip",), whole, 4),
    Fact(("env.episode_life",), flag, True),
    Fact(("env.clip_rewards",), flag, True),
    Fact(("env.collect_max_episode_steps",), whole, 108_000),
    Fact(("env.eval_max_episode_steps",), whole),
    # the world model
    Fact((f"{WORLD}.embed_dim",), whole, 768),
    Fact((f"{WORLD}.num_layers",), whole, 2),
    Fact((f"{WORLD}.num_heads",), whole, 8),
    Fact((f"{WORLD}.context_length",), whole, 8),
    Fact((f"{WORLD}.context_length_for_recurrent",), whole),
    Fact((f"{WORLD}.infer_context_length", "policy.infer_context_length"), whole),
    Fact((f"{WORLD}.max_blocks",), whole, 10),
    Fact((f"{WORLD}.max_tokens",), whole),
    Fact((f"{WORLD}.support_size",), whole),
    Fact(("policy.model.support_scale",), whole),
    Fact(("policy.model.reward_support_range", "policy.model.value_support_range"), span),
    Fact((f"{WORLD}.final_norm_option_in_encoder", f"{WORLD}.final_norm_option_in_obs_head",
          f"{WORLD}.final_norm_option_in_head"), choice(NORMS), "simnorm"),
    Fact((f"{WORLD}.predict_latent_loss_type",), choice(LATENT_LOSSES)),
    Fact(("policy.model.num_channels",), whole, 64),
    Fact(("policy.model.num_res_blocks",), whole, 1),
    Fact(("policy.model.norm_type",), choice(IMAGE_NORMS), "group", "layer"),
    Fact((f"{WORLD}.obs_type",), choice({"image": "image", "vector": "vector"})),
    Fact(("policy.model.model_type", f"{WORLD}.model_type"), choice({"conv": "image", "mlp": "vector"})),
    Fact((ENV_NUM, "policy.model.env_num"), whole),
    Fact((f"{WORLD}.rotary_emb",), flag),
    Fact((f"{WORLD}.use_new_cache_manager", "policy.model.use_new_cache_manager"), flag),
    Fact((f"{WORLD}.max_cache_size",), whole, 5_000),
    # the search
    Fact(("policy.model.num_of_sampled_actions", f"{WORLD}.num_of_sampled_actions"), whole, 20),
    Fact(("policy.num_simulations", f"{WORLD}.num_simulations"), whole, 50),
    Fact(("policy.collect_num_simulations",), whole),
    Fact(("policy.eval_num_simulations",), whole),
    Fact(("policy.discount_factor",), number, 0.997),
    Fact(("policy.gumbel_algo",), flag, False),
    Fact(("policy.max_num_considered_actions",), whole, 4),
    Fact(("policy.pb_c_base",), number, 19652.0),
    Fact(("policy.pb_c_init",), number, 1.25),
    Fact(("policy.root_dirichlet_alpha",), number, 0.3),
    Fact(("policy.root_noise_weight",), number, 0.25),
    Fact(("policy.value_delta_max",), number, 0.01),
    # learning
    Fact(("policy.batch_size",), whole, 256),
    Fact(("policy.num_unroll_steps", f"{WORLD}.num_unroll_steps"), whole, 10),
    Fact(("policy.td_steps",), whole, 5),
    Fact(("policy.learning_rate",), number, 1e-4),
    Fact(("policy.weight_decay",), number, 1e-4),
    Fact(("policy.grad_clip_value",), number, 20.0, 5.0),
    Fact(("policy.target_update_theta",), number, 0.05),
    Fact((f"{WORLD}.policy_entropy_weight",), number, 0.0, 5e-3),
    Fact((f"{WORLD}.obs_loss_weight",), number, 10.0),
    Fact((f"{WORLD}.reward_loss_weight",), number, 1.0, 0.1),
    Fact((f"{WORLD}.value_loss_weight",), number, 0.5, 0.1),
    Fact((f"{WORLD}.policy_loss_weight",), number, 1.0, 0.1),
    Fact(("policy.use_augmentation",), flag, False),
    Fact(("policy.augmentation",), texts, ("shift", "intensity")),
    Fact(("policy.replay_buffer_size",), whole, 1_000_000),
    Fact(("policy.reanalyze_ratio",), number, 0.0),
    Fact(("policy.buffer_reanalyze_freq",), number, 0.0),
    Fact(("policy.reanalyze_batch_size",), whole, 160),
    Fact(("policy.reanalyze_partition",), number, 1.0),
    Fact(("policy.use_priority",), flag, False),
    Fact(("policy.priority_prob_alpha",), number, 0.6),
    Fact(("policy.priority_prob_beta",), number, 0.4),
    # the schedule
    Fact(("policy.num_segments",), whole),
    Fact(("policy.n_episode",), whole, 8),
    Fact(("policy.game_segment_length", f"{WORLD}.game_segment_length", "policy.model.game_segment_length",
          "env.game_segment_length"), whole, 400),
    Fact(("policy.update_per_collect",), whole),
    Fact(("policy.replay_ratio",), number, 0.25),
    Fact(("policy.train_start_after_envsteps",), whole, 0),
    Fact(("max_env_step", "policy.max_env_step"), whole),
    Fact(("max_train_iter", "policy.max_train_iter"), whole),
    Fact(("policy.eval_freq",), whole, 2_000),
    Fact(("policy.learn.learner.hook.save_ckpt_after_iter", "policy.model.learn.learner.hook.save_ckpt_after_iter"),
         whole, 10_000),
    Fact(("policy.manual_temperature_decay",), flag, False),
    Fact(("policy.fixed_temperature_value",), number, 0.25),
    Fact(("policy.threshold_training_steps_for_final_temperature",), whole, 50_000, 100_000),
    Fact(("policy.eps.eps_greedy_exploration_in_collect",), flag, False),
    Fact(("policy.eps.start",), number, 1.0),
    Fact(("policy.eps.end",), number, 0.05),
    Fact(("policy.eps.decay",), whole, 100_000),
    Fact((f"{WORLD}.device",), text),
    Fact(("seed", "policy.seed"), whole, 0),
)  # fmt: skip


def read_facts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every fact by its own name: what the config says, or LightZero's default.

    Raises:
        ConfigError: if a value is of the wrong kind, cannot be looked up, or two names contradict each other.
    """
    found = {fact.names[0]: _read(fact, given) for fact in FACTS}
    is_continuous = bool(found[CONTINUOUS])
    for fact in FACTS:
        if found[fact.names[0]] is None:
            found[fact.names[0]] = _default(fact, most=found.get(fact.most), is_continuous=is_continuous)
    return found


def _default(fact: Fact, *, most: int | None, is_continuous: bool) -> Any:
    has_other = is_continuous and fact.sampled_default is not None
    default = fact.sampled_default if has_other else fact.default
    return default if most is None else min(default, most)


def _read(fact: Fact, given: Mapping[str, Any]) -> Any:
    """Return what the config says, or None."""
    found: dict[str, Any] = {}
    for name in fact.names:
        value = given.get(name)
        if isinstance(value, Placeholder):
            _refuse_hidden(fact, name, value)
        elif value is not None:
            found[name] = fact.read(name, value)
    for name, value in found.items():
        first = next(iter(found))
        if value != found[first]:
            raise ConfigError(
                f"{first} is {shown(given[first])} but {name} is {shown(given[name])}; "
                "they say one thing, so give both the same value"
            )
    return next(iter(found.values()), None)


def _refuse_hidden(fact: Fact, name: str, value: Placeholder) -> None:
    if not fact.is_visible:
        raise ConfigError(f"{name} comes from {value}, which is not installed; write the value itself into the config")
