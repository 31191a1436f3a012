"""Where a LightZero config leaves something open, or says it in a way that kvzero can only follow roughly."""

from collections.abc import Mapping
from typing import Any

from kvzero.compat.lightzero.conversions import ALE_MAX_FRAMES, DEFAULT_ENV_STEPS
from kvzero.compat.lightzero.environment import RENAMED, find_game
from kvzero.compat.lightzero.facts import WORLD

__all__ = ["find_assumptions"]


def find_assumptions(entry: str, facts: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return what was taken differently than it stands there, one clause each."""
    game, env_type = find_game(facts["env.env_id"]), facts["create_config.env.type"] or ""
    env_id, loss = facts["env.env_id"], facts[f"{WORLD}.predict_latent_loss_type"]
    is_augmented, is_image = facts["policy.use_augmentation"], "learner.shift_pixels" in values
    left_out = [kind for kind in facts["policy.augmentation"] if kind not in ("shift", "none")]
    segment, beta = facts["policy.game_segment_length"], facts["policy.priority_prob_beta"]
    longest = values.get("env.max_frames", 0) // values.get("env.frame_skip", 1)
    notes = {
        f"{entry} is taken as training, and no landscape is drawn": "landscape" in entry,
        f"{env_id} is played without sticky actions and without frames that it skips by itself, as LightZero does "
        "since August 2026": env_id == game.env_id and game.is_atari,
        "rewards below -10 stay as they are (env.rew_clip)": (
            game.env_id.startswith("BipedalWalker") and facts["env.rew_clip"]
        ),
        f"bins reach from bound to bound, those of {env_type} leave out the upper one": "_disc" in env_type,
        f"episodes end as {game.env_id} ends them, not after {facts['env.collect_max_episode_steps']} steps": (
            not game.is_atari and facts["env.collect_max_episode_steps"] < ALE_MAX_FRAMES
        ),
        f"env.env_id {env_id} is played as {RENAMED.get(env_id)}": env_id in RENAMED,
        f"without max_env_step the run ends after {DEFAULT_ENV_STEPS:,} environment steps": (
            facts["max_env_step"] is None and facts["max_train_iter"] is None
        ),
        f"an episode of policy.n_episode counts as game_segment_length={segment} steps": (
            facts["policy.num_segments"] is None
        ),
        "policy.gumbel_algo is a whole Gumbel search, which LightZero has for MuZero alone; it has neither temperature "
        "nor noise": facts["policy.gumbel_algo"],
        "the temperature falls linearly where LightZero takes it down in two steps": (
            facts["policy.manual_temperature_decay"]
            and not facts["policy.gumbel_algo"]
            and not facts["policy.eps.eps_greedy_exploration_in_collect"]
        ),
        f"rows are searched again that were searched longest ago, wherever they are, where reanalyze_partition="
        f"{facts['policy.reanalyze_partition']:g} draws from the oldest part": (
            facts["policy.reanalyze_partition"] < 1 and values["reanalysis.reanalysed_rows"] > 0
        ),
        f"the power by which weights make up for priorities rises from {beta:g} to 1 over the run": (
            facts["policy.use_priority"] and beta < 1
        ),
        f"of policy.augmentation shift alone is done, and not {', '.join(left_out)}": is_augmented
        and is_image
        and left_out,
        "policy.use_augmentation does nothing where a config tells of no images": is_augmented and not is_image,
        "predict_latent_loss_type cos_sim is mse, the same up to a factor where latents have a layer norm": (
            loss == "cos_sim"
        ),
        "policy.model.norm_type BN is a norm over groups of channels, for none of kvzero's is over a batch": (
            values.get("agent.model.image_norm") == "group"
        ),
        f"evaluation games end after {longest} steps, as games for training do": (
            0 < longest < (facts["env.eval_max_episode_steps"] or 0)
        ),
        f"the table of learned positions has {values.get('agent.model.max_tokens')} entries, for training reads the "
        "bootstrap steps in context": (values.get("agent.model.max_tokens", 0) > 2 * facts[f"{WORLD}.max_blocks"]),
    }
    return [note for note, is_due in notes.items() if is_due]
