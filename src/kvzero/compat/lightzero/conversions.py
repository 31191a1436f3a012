"""The arithmetic between the two libraries: updates into environment steps, steps into frames, words into words.

Arguments are the sources that the mapping lists; None stands for a name that the config does not give, and as a result
for kvzero's own default.
"""

import re
from collections.abc import Sequence
from math import ceil
from typing import Any

from kvzero.compat.lightzero.environment import find_game

__all__ = [
    "ALE_MAX_FRAMES",
    "DEFAULT_ENV_STEPS",
    "action_bins_per_dim",
    "action_repeat",
    "collect_simulations",
    "constant_rate",
    "device",
    "env_id",
    "env_steps",
    "eval_simulations",
    "final_temperature",
    "first_given",
    "first_temperature",
    "frame_stack",
    "image_size",
    "init_pool_size",
    "is_grey",
    "latent_loss",
    "learning_starts",
    "max_frames",
    "max_tokens",
    "none_wide",
    "positions",
    "reanalysed_rows",
    "recur_pool_size",
    "replay_ratio",
    "round_env_steps",
    "rule",
    "run_label",
    "same",
    "sampler",
    "shift_pixels",
    "sticky_action_probability",
    "store",
    "support_size",
    "task",
    "temperature_env_steps",
    "total_env_steps",
    "where_used",
]

DEFAULT_ENV_STEPS = 100_000
"""Where a run ends whose config does not say it; LightZero's would go on for ever."""

ALE_MAX_FRAMES = 108_000
"""Frames after which the emulator itself ends a game."""

LARGEST_SHIFT = 4
"""Pixels that LightZero's augmentation shifts images by at most."""

GREEDY = 0.01
"""Temperature at which the most visited action is played: LightZero plays that one wherever it does not slip."""

DECAYED_AT = 0.75
"""Share of the updates of LightZero's schedule after which its temperature stays at the last value."""


def same(value: Any) -> Any:
    """Take the value as it is."""
    return value


def first_given(*values: Any) -> Any:
    """Take the first value that is given."""
    return next(value for value in values if value is not None)


def run_label(env_id: str, domain: str | None, task_name: str | None) -> str:
    """Name runs after the environment."""
    game = find_game(env_id)
    name = task(domain, task_name) if game.is_dmc else game.env_id.removeprefix("ALE/")
    return "lightzero-" + re.sub(r"\W+", "-", name)


def device(name: str | None) -> str | None:
    """Take a device; LightZero falls back to the CPU from "cuda" where there is no GPU, as auto does."""
    return "auto" if name == "cuda" else name


def env_id(name: str, variant: str | None) -> str:
    """Return kvzero's name of the environment; only BipedalWalker has a variant, whose name is another."""
    found = find_game(name).env_id
    return found.replace("BipedalWalker-", "BipedalWalkerHardcore-") if variant == "hardcore" else found


def task(domain: str | None, name: str | None) -> str:
    """Return kvzero's name of a task of DeepMind Control."""
    return f"{domain}-{name}"


def action_repeat(skip: int, repeat: int) -> int:
    """Return the steps of a task that one action is held for; LightZero wraps one repetition around another."""
    return skip * repeat


def action_bins_per_dim(is_binned: bool, bins: int | None) -> int | None:
    """Return the values that each number of an action is left with."""
    return bins if is_binned else None


def is_grey(is_told: bool | None, colours: int | None, stacked: int | None, shape: tuple[int, ...] | None) -> bool:
    """Return whether frames are grey, which a config says in one of several ways, if only by the channels it shows."""
    if is_told is not None:
        return is_told
    if colours is not None:
        return colours == 1
    return shape is not None and (shape[0] % 3 != 0 or shape[0] == stacked)


def frame_stack(stacked: int | None, shape: tuple[int, ...] | None, is_grey: bool) -> int:
    """Return the frames of an image, at least one."""
    if stacked is not None:
        return stacked
    return 1 if shape is None else max(1, shape[0] // (1 if is_grey else 3))


def none_wide() -> int:
    """Draw no actions from a wider policy; LightZero does not."""
    return 0


def sticky_action_probability(name: str) -> float:
    """Return how often the environment repeats the last action, which its id decides."""
    return find_game(name).sticky_action_probability


def max_frames(max_steps: int, total_skip: int) -> int:
    """Return the frames of `max_steps` steps, or the fewer frames after which the emulator ends a game."""
    return min(max_steps * total_skip, ALE_MAX_FRAMES)


def image_size(shape: tuple[int, ...] | None) -> int | None:
    """Return the side of a square image."""
    return None if shape is None else shape[-1]


def positions(is_rotary: bool | None) -> str | None:
    """Return the kind of positions; kvzero's own, rotary, where the config does not say."""
    return None if is_rotary is None else "rotary" if is_rotary else "learned"


def max_tokens(max_blocks: int, unroll_steps: int, bootstrap_steps: int, kind: str | None) -> int | None:
    """Return the size of the table of learned positions, which in training spans the bootstrap steps as well."""
    return 2 * max(max_blocks, unroll_steps + bootstrap_steps) if kind == "learned" else None


def support_size(bins: int | None, scale: int | None, ends: Sequence[float] | None) -> int:
    """Return the number of bins, however the config says it; LightZero's default is 101."""
    if bins is not None:
        return bins
    if ends is not None:
        return round((ends[1] - ends[0]) / ends[2])
    return 2 * (50 if scale is None else scale) + 1


def store(is_pooled: bool | None, kind: str | None) -> str | None:
    """Return the store that the switch asks for; without a switch the default, or one for learned positions."""
    if is_pooled is None:
        return "pooled" if kind == "learned" else None
    return "pooled" if is_pooled else "legacy"


def init_pool_size(segment_length: int, most: int, chosen: str | None) -> int | None:
    """Return the root contexts kept per environment; only the keyed stores have pools."""
    return None if chosen is None else min(segment_length, most)


def recur_pool_size(most: int, chosen: str | None, num_simulations: int, num_envs: int) -> int | None:
    """Return the contexts of search nodes that are kept, where that is fewer than a whole search makes."""
    return None if chosen is None or most >= num_simulations * num_envs else most


def collect_simulations(everywhere: int, collecting: int | None) -> int:
    """Return the simulations of a search while collecting."""
    return everywhere if collecting is None else collecting


def eval_simulations(everywhere: int, collecting: int | None, evaluating: int | None) -> int | None:
    """Return the simulations of a search while evaluating, if they differ."""
    wanted = everywhere if evaluating is None else evaluating
    return None if wanted == collect_simulations(everywhere, collecting) else wanted


def constant_rate() -> float:
    """Keep the learning rate where it is, as LightZero does by default."""
    return 1.0


def latent_loss(name: str | None, norm: str) -> str:
    """Return the distance of latents; without a name the one that fits the norm.

    Latents with a layer norm have length sqrt(E), so their mean squared error is 2 (1 - cosine): `cos_sim` is `mse` up
    to a factor.
    """
    if name is None:
        return "group_kl" if norm == "simnorm" else "mse"
    return "mse" if name == "cos_sim" else name


def sampler(is_prioritised: bool) -> str:
    """Return which steps are drawn."""
    return "prioritised" if is_prioritised else "uniform"


def shift_pixels(is_used: bool, kinds: tuple[str, ...]) -> int:
    """Return how far images are shifted."""
    return LARGEST_SHIFT if is_used and "shift" in kinds else 0


def where_used(value: Any, is_used: bool) -> Any:
    """Take a setting of what a switch turns on."""
    return value if is_used else None


def round_env_steps(num_segments: int | None, num_episodes: int, segment_length: int) -> int:
    """Return the environment steps between two blocks of updates; an episode counts as one segment."""
    return (num_episodes if num_segments is None else num_segments) * segment_length


def replay_ratio(ratio: float, updates_per_round: int | None, round_steps: int) -> float:
    """Return the updates per environment step; a number of updates per round takes precedence, as in LightZero."""
    return ratio if updates_per_round is None else updates_per_round / round_steps


def reanalysed_rows(
    share: float, batch_size: int, unroll_steps: int, passes: float, sequences: int, ratio: float, round_steps: int
) -> int:
    """Return the rows that are searched again per update.

    LightZero makes a share of every batch's policies anew, and, so many times between two rounds, those of some
    sequences of its buffer, which are spread here over the round's updates.
    """
    round_updates = ratio * round_steps
    of_passes = passes * sequences * unroll_steps / round_updates if round_updates > 0 else 0.0
    return round(int(share * batch_size) * (unroll_steps + 1) + of_passes)


def learning_starts(env_steps: int, batch_size: int) -> int:
    """Return the steps before the first update; LightZero also waits until it has one batch of them."""
    return max(env_steps, batch_size)


def total_env_steps(env_steps: int | None, updates: int | None, starts: int, ratio: float) -> int:
    """Return where the run ends: at the environment steps or the updates that are given, whichever comes first."""
    limits = [] if env_steps is None else [env_steps]
    if updates is not None and ratio > 0:
        limits.append(starts + ceil(updates / ratio))
    return min(limits, default=DEFAULT_ENV_STEPS)


def env_steps(updates: int, ratio: float, total: int) -> int:
    """Return the environment steps in which this many updates are made; the whole run's if none are ever made."""
    return max(round(updates / ratio), 1) if ratio > 0 else total


def rule(is_gumbel: bool) -> str:
    """Return the rule of search."""
    return "gumbel" if is_gumbel else "puct"


def first_temperature(is_slipping: bool, is_decaying: bool, fixed: float) -> float:
    """Return the temperature that a run begins with: 1 where it falls, next to none where actions slip instead."""
    return GREEDY if is_slipping else 1.0 if is_decaying else fixed


def final_temperature(is_slipping: bool, is_decaying: bool, fixed: float) -> float:
    """Return the temperature that a run ends with: 0.25 where it falls, next to none where actions slip instead."""
    return GREEDY if is_slipping else 0.25 if is_decaying else fixed


def temperature_env_steps(is_slipping: bool, is_decaying: bool, updates: int, ratio: float, total: int) -> int | None:
    """Return the environment steps over which the temperature falls; LightZero's last drop is at 3/4 of its updates."""
    return env_steps(round(DECAYED_AT * updates), ratio, total) if is_decaying and not is_slipping else None
