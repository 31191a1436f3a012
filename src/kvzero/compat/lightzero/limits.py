"""What a LightZero config can ask for that kvzero does not do: refused where the run would be another, else told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from kvzero.compat.lightzero.facts import WORLD
from kvzero.compat.lightzero.stubs import Placeholder
from kvzero.errors import ConfigError

__all__ = ["LIMITS", "MEANINGLESS", "Limit", "find_unmet", "is_meaningless"]

CONTINUOUS = (
    "asks for continuous actions, which kvzero cannot read from a LightZero config yet; train one of its presets "
    "pendulum, dmc and mujoco, or choose a config whose create_config has the policy type 'unizero'"
)
ONE_AGENT = "kvzero trains one agent on one environment in one process"
NO_EXPERTS = "kvzero's transformer has no experts, adapters or task embeddings"
COLOUR = "kvzero shows Atari games in colour, one frame at a time"
SHAPED_LOSS = "kvzero's losses and targets are not reshaped"


def equals(*accepted: Any) -> Callable[[Any], bool]:
    """Return a test for these values, in which True is not 1."""
    return lambda value: any(value is choice or (type(value) is not bool and value == choice) for choice in accepted)


off = equals(False, 0)


def within(low: float, high: float) -> Callable[[Any], bool]:
    """Return a test for numbers from `low` to `high`."""
    return lambda value: isinstance(value, int | float) and low <= value <= high


@dataclass(frozen=True, slots=True)
class Limit:
    """Settings of which kvzero can do one value only."""

    names: tuple[str, ...]
    """Dotted names; `*` stands for anything."""

    is_met: Callable[[Any], bool]
    """Whether a value is what kvzero does."""

    reason: str
    """What to tell the user otherwise."""

    is_refused: bool = False
    """Whether a run without it would be another experiment, rather than a simpler one."""


LIMITS: tuple[Limit, ...] = (
    Limit(
        (
            "policy.model.continuous_action_space",
            f"{WORLD}.continuous_action_space",
            "env.continuous",
            "policy.continuous_action_space",
            "policy.sampled_algo",
        ),
        off,
        CONTINUOUS,
        is_refused=True,
    ),
    Limit(
        ("create_config.policy.type",), lambda value: not str(value).startswith("sampled"), CONTINUOUS, is_refused=True
    ),
    Limit(
        ("create_config.env.type",),
        lambda value: not str(value).startswith(("dmc2gym", "mujoco", "pendulum", "metadrive", "bipedalwalker")),
        CONTINUOUS,
        is_refused=True,
    ),
    Limit(
        ("create_config.policy.type",), equals("unizero"), "kvzero trains UniZero agents: 'unizero'", is_refused=True
    ),
    Limit(
        ("model", "model_path", "policy.model_path"),
        off,
        "weights of LightZero cannot be loaded; give None",
        is_refused=True,
    ),
    Limit(
        ("env.manually_discretization", "env.enable_chance"),
        off,
        "kvzero plays environments as they are",
        is_refused=True,
    ),
    Limit(("policy.gumbel_algo",), off, "kvzero searches by PUCT", is_refused=True),
    Limit(("policy.env_type",), equals("not_board_games"), "kvzero plays games of one player", is_refused=True),
    Limit(
        ("policy.battle_mode", "env.battle_mode"),
        equals("play_with_bot_mode"),
        "kvzero plays games of one player",
        is_refused=True,
    ),
    Limit(("env.gray_scale", "policy.gray_scale"), off, COLOUR, is_refused=True),
    Limit(("policy.model.frame_stack_num", "env.frame_stack_num"), equals(1), COLOUR, is_refused=True),
    Limit(("policy.model.image_channel", f"{WORLD}.image_channel"), equals(3), COLOUR, is_refused=True),
    Limit(("env.warp_frame", "env.scale", "env.game_wrapper"), equals(True), COLOUR, is_refused=True),
    Limit(("env.full_action_space",), off, "kvzero plays Atari with each game's own actions", is_refused=True),
    Limit(
        (f"{WORLD}.tokens_per_block",),
        equals(2),
        "a step is two tokens, an observation's and an action's",
        is_refused=True,
    ),
    Limit((f"{WORLD}.attention",), equals("causal"), "attention is causal", is_refused=True),
    Limit(
        ("policy.model.categorical_distribution",), equals(True), "rewards and values are categorical", is_refused=True
    ),
    Limit(
        (f"{WORLD}.encoder_type", "policy.model.encoder_type"),
        equals("resnet"),
        "images are read by a ResNet",
        is_refused=True,
    ),
    Limit((f"{WORLD}.task_num", "policy.task_num", "policy.total_task_num"), equals(1), ONE_AGENT, is_refused=True),
    Limit(("policy.multi_gpu",), off, ONE_AGENT),
    Limit(
        (
            f"{WORLD}.use_task_embed",
            f"{WORLD}.task_embed_option",
            f"{WORLD}.use_softmoe_head",
            f"{WORLD}.use_moe_head",
            f"{WORLD}.moe_in_transformer",
            f"{WORLD}.multiplication_moe_in_transformer",
            f"{WORLD}.lora_r",
            f"{WORLD}.gru_gating",
        ),
        off,
        NO_EXPERTS,
    ),
    Limit((f"{WORLD}.embed_pdrop", f"{WORLD}.resid_pdrop", f"{WORLD}.attn_pdrop"), off, "kvzero uses no dropout"),
    Limit((f"{WORLD}.group_size",), equals(8), "simnorm has groups of 8"),
    Limit((f"{WORLD}.latent_recon_loss_weight", f"{WORLD}.perceptual_loss_weight"), off, "kvzero has no decoder"),
    Limit((f"{WORLD}.gamma",), equals(1), "unroll steps weigh alike"),
    Limit(
        (
            f"{WORLD}.use_policy_logits_clip",
            f"{WORLD}.use_target_policy_resmooth",
            f"{WORLD}.use_policy_loss_temperature",
            "policy.use_adaptive_entropy_weight",
            "policy.use_encoder_clip_annealing",
            "policy.policy_ls_eps_start",
            "policy.label_smoothing_eps",
            "policy.use_continuous_label_smoothing",
        ),
        off,
        SHAPED_LOSS,
    ),
    Limit(("policy.use_augmentation",), off, "kvzero does not augment images"),
    Limit(("policy.use_priority", f"{WORLD}.use_priority"), off, "kvzero draws windows uniformly"),
    Limit(("policy.reanalyze_ratio",), off, "kvzero does not renew old targets"),
    Limit(("policy.buffer_reanalyze_freq",), within(-inf, 1e-5), "kvzero does not renew old targets"),
    Limit(
        (
            "policy.use_rnd_model",
            "policy.collect_with_pure_policy",
            "policy.eps.eps_greedy_exploration_in_collect",
            "policy.random_collect_episode_num",
        ),
        off,
        "kvzero explores by search alone",
    ),
    Limit(("policy.optim_type",), lambda value: str(value).startswith("AdamW"), "kvzero's optimiser is AdamW"),
    Limit(
        ("policy.cos_lr_scheduler", "policy.piecewise_decay_lr_scheduler", "policy.lr_piecewise_constant_decay"),
        off,
        "the learning rate stays as it is; --final-learning-rate-share lets it fall linearly",
    ),
    Limit(("policy.accumulation_steps",), equals(1), "kvzero makes a gradient step of each batch"),
    Limit(("policy.ignore_done",), off, "kvzero tells terminations from truncations by itself"),
    Limit(("policy.model.self_supervised_learning_loss",), equals(True), "kvzero always predicts latents"),
    Limit(("env.stop_value",), within(1e6, inf), "a run ends at total_env_steps, whatever it earns"),
    Limit(("env.save_replay", "env.save_replay_gif", "env.save_video"), off, "kvzero evaluate --video makes videos"),
    Limit(("policy.use_wandb",), off, "metrics go to metrics.jsonl and TensorBoard"),
)

MEANINGLESS: tuple[str, ...] = (
    "exp_name", "env.manager.*", "env.stack_*", "env.replay_path*", "env.render_mode*", "env.transform2string",
    "env.cvt_string", "env.channel_last", "env.import_names", "env.type",
    "policy.cuda", "policy.device", "policy.type", "policy.import_names", "policy.mcts_ctree", "policy.momentum",
    "policy.action_type", "policy.sample_type", "policy.transform2string", "policy.augmentation",
    "policy.target_update_freq*", "policy.threshold_training_steps_for_final_lr*", "policy.monitor_*",
    "policy.use_enhanced_policy_monitoring", "policy.analysis_*", "policy.use_root_value", "policy.eps.*",
    "policy.priority_prob_*", "policy.reanalyze_*", "policy.*_loss_weight", "policy.policy_ls_eps_*",
    "policy.continuous_ls_eps", "policy.adaptive_entropy_*", "policy.target_entropy_*", "policy.encoder_clip_*",
    "policy.eval.*", "policy.collect.*", "policy.other.*", "policy.learn.*",
    "policy.model.norm_type", "policy.model.discrete_action_encoding_type", "policy.model.bias",
    "policy.model.res_connection_in_dynamics", "policy.model.analysis_*", "policy.model.downsample",
    "policy.model.value_support_size", "policy.model.reward_support_size", "policy.model.learn.*",
    "policy.model.num_of_sampled_actions",
    f"{WORLD}.norm_type", f"{WORLD}.max_seq_len", f"{WORLD}.rope_theta",
    f"{WORLD}.analysis_*", f"{WORLD}.dormant_threshold", f"{WORLD}.use_normal_head", f"{WORLD}.num_experts_*",
    f"{WORLD}.lora_*", f"{WORLD}.use_shared_projection", f"{WORLD}.optim_type", f"{WORLD}.policy_logits_clip_*",
    f"{WORLD}.target_policy_resmooth_eps", f"{WORLD}.policy_loss_temperature", f"{WORLD}.num_of_sampled_actions",
    f"{WORLD}.decode_loss_mode", f"{WORLD}.share_head",
    "create_config.env.*", "create_config.env_manager.*", "create_config.policy.import_names",
)  # fmt: skip
"""Names that say how LightZero is organised, or that tune what kvzero does not do; `*` stands for anything."""


def find_unmet(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what the config asks for in vain, by name, with the reason.

    Raises:
        ConfigError: if without it the run would be another experiment.
    """
    unmet = {}
    for limit in LIMITS:
        for name in (name for name in limit.names if name in given):
            value = given[name]
            if value is None or isinstance(value, Placeholder) or limit.is_met(value):
                continue
            if limit.is_refused:
                raise ConfigError(f"{name}={value!r}: {limit.reason}")
            unmet[name] = f"{name}={value!r} ({limit.reason})"
    return unmet


def is_meaningless(name: str) -> bool:
    """Tell whether a name is known to mean nothing to kvzero."""
    return any(fnmatchcase(name, pattern) for pattern in MEANINGLESS)
