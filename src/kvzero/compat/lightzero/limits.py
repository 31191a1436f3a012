"""What a LightZero config can ask for that kvzero does not do: refused where the run would be another, else told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from kvzero.compat.lightzero.facts import WORLD
from kvzero.compat.lightzero.readers import shown
from kvzero.compat.lightzero.stubs import Placeholder
from kvzero.errors import ConfigError

__all__ = ["LIMITS", "MEANINGLESS", "Limit", "find_unmet", "is_meaningless"]

ONE_AGENT = "kvzero trains one agent on one environment in one process"
NO_EXPERTS = "kvzero's transformer has no experts, adapters or task embeddings"
POLICIES = "kvzero trains UniZero agents, 'unizero' and 'sampled_unizero'"
NO_TEXT = "kvzero reads numbers and images, not text"
ONE_PLAYER = "kvzero plays games of one player"
IMAGES = "kvzero shows whole images of bytes, resized"

LIGHTZEROS_OWN = (
    "memory_lightzero", "dummy_any_game", "game_2048", "pooltool_sumtothree", "chess_lightzero", "Chess", "Go",
    "chinese_chess", "connect4", "gomoku", "tictactoe",
)  # fmt: skip
SHAPED_LOSS = "kvzero's losses and targets are not reshaped"


def equals(*accepted: Any) -> Callable[[Any], bool]:
    """Return a test for these values, in which True is not 1."""
    return lambda value: any(value is choice or (type(value) is not bool and value == choice) for choice in accepted)


def lacks(part: str) -> Callable[[Any], bool]:
    """Return a test for values that are not named so."""
    return lambda value: part not in str(value)


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
    Limit(("create_config.policy.type",), lacks("multitask"), ONE_AGENT, is_refused=True),
    Limit(("create_config.policy.type",), lacks("ppo"), f"PPO plays without a search; {POLICIES}", is_refused=True),
    Limit(("create_config.policy.type",), equals("unizero", "sampled_unizero"), POLICIES, is_refused=True),
    Limit(("create_config.env.type",), lacks("jericho"), NO_TEXT, is_refused=True),
    Limit((f"{WORLD}.obs_type",), lacks("text"), NO_TEXT, is_refused=True),
    Limit(
        ("create_config.env.type",),
        lambda value: value not in LIGHTZEROS_OWN,
        "an environment that only LightZero has; kvzero plays those of Gymnasium and DeepMind Control",
        is_refused=True,
    ),
    Limit(
        ("model", "model_path", "policy.model_path"),
        off,
        "weights of LightZero cannot be loaded; give None",
        is_refused=True,
    ),
    Limit(
        ("env.enable_chance", "policy.use_ture_chance_label_in_chance_encoder"),
        off,
        "kvzero's world model predicts one outcome of an action",
        is_refused=True,
    ),
    Limit(("policy.env_type",), equals("not_board_games"), ONE_PLAYER, is_refused=True),
    Limit(
        ("policy.battle_mode", "env.battle_mode"),
        equals("play_with_bot_mode"),
        ONE_PLAYER,
        is_refused=True,
    ),
    Limit(("env.warp_frame", "env.scale", "env.game_wrapper"), equals(True), IMAGES, is_refused=True),
    Limit(
        (f"{WORLD}.sigma_type", "policy.model.sigma_type"),
        equals("conditioned"),
        "kvzero's policy predicts how wide it is",
        is_refused=True,
    ),
    Limit(
        (f"{WORLD}.bound_type", "policy.model.bound_type"), equals(None), "kvzero keeps means within 3 before the tanh"
    ),
    Limit((f"{WORLD}.policy_loss_type",), equals("kl"), "the policy is trained by cross-entropy"),
    Limit(("env.act_scale",), equals(True), "actions from -1 to 1 stand for those between the environment's bounds"),
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
    Limit((f"{WORLD}.task_embed_option",), equals(False, 0, "none"), NO_EXPERTS),
    Limit(
        (f"{WORLD}.embed_pdrop", f"{WORLD}.resid_pdrop", f"{WORLD}.attn_pdrop"), off, "kvzero trains without dropout"
    ),
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
    Limit(
        (
            "policy.use_rnd_model",
            "policy.collect_with_pure_policy",
            "policy.random_collect_episode_num",
        ),
        off,
        "kvzero explores by search and by slips",
    ),
    Limit(("policy.eps.type",), equals("linear"), "epsilon changes linearly"),
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
    "policy.action_type", "policy.sample_type", "policy.transform2string",
    "policy.target_update_freq*", "policy.threshold_training_steps_for_final_lr*", "policy.monitor_*",
    "policy.use_enhanced_policy_monitoring", "policy.analysis_*", "policy.use_root_value",
    "policy.reanalyze_*", "policy.*_loss_weight", "policy.policy_ls_eps_*",
    "policy.continuous_ls_eps", "policy.adaptive_entropy_*", "policy.target_entropy_*", "policy.encoder_clip_*",
    "policy.eval.*", "policy.collect.*", "policy.other.*", "policy.learn.*",
    "policy.async_pipeline.*", "policy.save_ckpt_in_eval", "policy.torch_compile", "policy.*_diagnostic_*",
    "policy.empty_cuda_cache_on_cache_reset", "policy.kv_cache_clear_interval", "policy.periodic_ckpt_keep_last",
    "policy.resume_buffer_min_transitions", "policy.legacy_resume_adaptive_alpha",
    "policy.model.discrete_action_encoding_type", "policy.model.bias",
    "policy.model.res_connection_in_dynamics", "policy.model.analysis_*", "policy.model.downsample",
    "policy.model.value_support_size", "policy.model.reward_support_size", "policy.model.learn.*",
    "policy.model.num_layers", "policy.model.fixed_sigma_value",
    f"{WORLD}.norm_type", f"{WORLD}.max_seq_len", f"{WORLD}.rope_theta",
    f"{WORLD}.analysis_*", f"{WORLD}.dormant_threshold", f"{WORLD}.use_normal_head", f"{WORLD}.num_experts_*",
    f"{WORLD}.lora_*", f"{WORLD}.use_shared_projection", f"{WORLD}.optim_type", f"{WORLD}.policy_logits_clip_*",
    f"{WORLD}.target_policy_resmooth_eps", f"{WORLD}.policy_loss_temperature", f"{WORLD}.fixed_sigma_value",
    f"{WORLD}.decode_loss_mode", f"{WORLD}.share_head", f"{WORLD}.use_priority",
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
                raise ConfigError(f"{name}={shown(value)}: {limit.reason}")
            unmet[name] = f"{name}={shown(value)} ({limit.reason})"
    return unmet


def is_meaningless(name: str) -> bool:
    """Tell whether a name is known to mean nothing to kvzero."""
    return any(fnmatchcase(name, pattern) for pattern in MEANINGLESS)
