"""What each figure of a run is called for Prometheus: family, labels, whether it counts, and what it means."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from kvzero.reports.figures import ENV_STEPS, LOSS, OPEN_LOOP, TRAIN_RETURN, WALL_SECONDS
from kvzero.reports.speedup import SPEEDUP_BOUND

__all__ = ["Family", "Place", "find_place"]

Kind = Literal["gauge", "counter", "increment"]
"""What a figure is: a value of now; a count since the run or its session began; a count since the line before it."""


@dataclass(frozen=True, slots=True)
class Family:
    """Figures of one name, which differ in their labels."""

    figure: str
    """A regular expression: figures whose whole names it matches belong here, its named groups are their labels."""
    name: str
    """What Prometheus calls it, behind `kvzero_`; counts end in `_total` there."""
    kind: Kind
    help: str
    """What it means, in a line."""

    @property
    def label_names(self) -> list[str]:
        """The names of its labels, in order."""
        return list(re.compile(self.figure).groupindex)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure belongs."""

    family: Family
    labels: tuple[str, ...]


COLLECTOR = r"collector/(?P<collector>\d+)"
POOL = r"cache/(?P<pool>init|recur)"
TIER = r"cache/(?P<tier>(?!global/)[^/]+)"

FAMILIES = (
    Family(ENV_STEPS, "env_steps", "counter", "Environment steps collected, over all sessions of the run."),
    Family("updates", "updates", "counter", "Gradient steps made, over all sessions of the run."),
    Family(WALL_SECONDS, "wall_seconds", "counter", "Seconds that the run took, over all its sessions."),
    Family("collect_seconds", "collect_seconds", "increment", "Seconds of this session spent on collecting."),
    Family("update_seconds", "update_seconds", "increment", "Seconds of this session spent on updating."),
    Family("updates_per_second", "updates_per_second", "gauge", "Updates over the time of collecting and updating."),
    Family(SPEEDUP_BOUND, "collectors_speedup_bound", "gauge", "How many times as fast collectors can make the run."),
    Family(
        "collectors/staleness_(?P<statistic>mean|max)",
        "collectors_staleness_versions",
        "gauge",
        "Versions of the weights that collected steps were behind the learner's.",
    ),
    Family("collectors/queue", "collectors_queue", "gauge", "Mean number of reports ready when the learner looked."),
    Family("collectors/learner_idle_seconds", "learner_idle_seconds", "increment", "Seconds the learner has waited."),
    Family("cluster/object_store_bytes", "object_store_bytes", "gauge", "Bytes held by Ray's object stores."),
    Family("cluster/object_store_limit_bytes", "object_store_limit_bytes", "gauge", "Bytes that they may hold."),
    Family(
        f"{COLLECTOR}/env_steps_per_second",
        "collector_env_steps_per_second",
        "gauge",
        "Environment steps of a collector over the time that it spent on collecting.",
    ),
    Family(f"{COLLECTOR}/idle_seconds", "collector_idle_seconds", "increment", "Seconds that a collector has waited."),
    Family(f"{COLLECTOR}/rss_bytes", "collector_rss_bytes", "gauge", "Memory that a collector's process holds."),
    Family(f"{COLLECTOR}/restarts", "collector_restarts", "counter", "How often a collector was replaced."),
    Family("dose", "dose", "gauge", "Steps trained on per environment step collected."),
    Family(LOSS, "loss", "gauge", "The weighted loss of the newest update."),
    Family(rf"{LOSS}_(?P<part>\w+)", "loss_part", "gauge", "A part of the loss, without its weight."),
    Family(
        "(?P<of>target|policy)_entropy", "entropy", "gauge", "Entropy of targets or of predicted policies, in nats."
    ),
    Family("mean_value_target", "value_target_mean", "gauge", "Mean of the value targets of the newest update."),
    Family("gradient_norm", "gradient_norm", "gauge", "Length of the gradient before it is clipped."),
    Family(
        "importance_(?P<statistic>mean|min)", "importance", "gauge", "Weights of a batch's segments, the largest 1."
    ),
    Family("effective_batch_share", "effective_batch_share", "gauge", "Share of a batch that counts, by its weights."),
    Family("lr", "learning_rate", "gauge", "Learning rate of the next update."),
    Family("bootstrap_steps", "bootstrap_steps", "gauge", "Rewards in the next update's value targets."),
    Family("discount", "discount", "gauge", "Discount of the next update."),
    Family("is_bfloat16", "is_bfloat16", "gauge", "1 where updates are computed in bfloat16."),
    Family("dormant_share/(?P<part>.+)", "dormant_share", "gauge", "Share of dormant units in a part of the network."),
    Family("replay_steps", "replay_steps", "gauge", "Steps held in the replay."),
    Family("rss_bytes", "rss_bytes", "gauge", "Memory that the process held at the newest line of metrics."),
    Family(TRAIN_RETURN, "train_return", "gauge", "Mean raw return of the newest training games that ended."),
    Family(
        "train_episode_steps", "train_episode_steps", "gauge", "Mean length of the newest training games that ended."
    ),
    Family("eval_return_(?P<statistic>mean|min|max)", "eval_return", "gauge", "Raw returns of the newest evaluation."),
    Family("eval_episodes", "eval_episodes", "gauge", "Games of the newest evaluation."),
    Family("eval_cut_games", "eval_cut_games", "gauge", "Games of the newest evaluation that were cut off."),
    Family("eval_seconds", "eval_seconds", "increment", "Seconds of this session spent on playing evaluations."),
    Family("open_loop_seconds", "open_loop_seconds", "increment", "Seconds of this session spent on open-loop errors."),
    Family(
        rf"{OPEN_LOOP}/(?P<quantity>\w+)/(?P<depth>\d+)",
        "open_loop_error",
        "gauge",
        "Mean error of predictions on predicted latents, so many steps below true roots.",
    ),
    Family(f"{POOL}/hits", "cache_hits", "counter", "Look-ups in a pool that were answered."),
    Family(f"{POOL}/misses", "cache_misses", "counter", "Look-ups in a pool that were not answered."),
    Family(f"{POOL}/evictions", "cache_evictions", "counter", "Entries thrown out of a pool to make room."),
    Family(f"{POOL}/resizes", "cache_resizes", "counter", "How often a pool was made larger or smaller."),
    Family(
        f"{POOL}/regenerate_seconds", "cache_regenerate_seconds", "counter", "Seconds of computing what was missed."
    ),
    Family(f"{POOL}/size", "cache_entries", "gauge", "Entries in a pool."),
    Family(f"{POOL}/pool_size", "cache_capacity", "gauge", "Entries that fit into a pool."),
    Family(f"{POOL}/bytes", "cache_pool_bytes", "gauge", "Bytes that a pool holds for keys and values."),
    Family("store_bytes", "cache_bytes", "gauge", "Bytes that the store of the collector holds for keys and values."),
    Family(f"{TIER}/hits", "tier_hits", "counter", "Look-ups in a tier that were answered."),
    Family(rf"{TIER}/misses_(?P<reason>\w+)", "tier_misses", "counter", "Look-ups in a tier that were not, by reason."),
    Family(f"{TIER}/written", "tier_written", "counter", "Entries written to a tier."),
    Family(f"{TIER}/known", "tier_known", "counter", "Entries not written since the tier had them."),
    Family(rf"{TIER}/dropped_(?P<reason>\w+)", "tier_dropped", "counter", "Entries not written, by reason."),
    Family(f"{TIER}/bytes_read", "tier_read_bytes", "counter", "Bytes of what was found in a tier."),
    Family(f"{TIER}/bytes_written", "tier_written_bytes", "counter", "Bytes written to a tier."),
    Family(f"{TIER}/(?P<statistic>median|p99)_seconds", "tier_lookup_seconds", "gauge", "Time of calls that look up."),
    Family(f"{TIER}/seconds_saved", "tier_saved_seconds", "gauge", "What a tier saved; below 0 where it costs."),
    Family("results/hits", "results_hits", "counter", "Searches whose results were known."),
    Family("results/tier_hits", "results_tier_hits", "counter", "Searches whose results a tier knew."),
    Family("results/misses", "results_misses", "counter", "Searches whose results were not known."),
    Family("results/evictions", "results_evictions", "counter", "Results thrown out of memory to make room."),
    Family("results/misfits", "results_misfits", "counter", "Results of another form, which were forgotten."),
    Family("results/entries", "results_entries", "gauge", "Results in memory."),
    Family("results/bytes", "results_bytes", "gauge", "Bytes of results in memory."),
    Family("reanalysis/share", "reanalysis_share", "gauge", "Share of the replay that was searched again."),
    Family("reanalysis/age_updates", "reanalysis_age_updates", "gauge", "Mean updates since a step's newest search."),
    Family("reanalysis/rows", "reanalysis_rows", "increment", "Rows searched again in this session."),
    Family("reanalysis/seconds", "reanalysis_seconds", "increment", "Seconds of this session spent on reanalysis."),
    Family("reanalysis/reused_rows", "reanalysis_reused_rows", "increment", "Rows that were judged without a search."),
    Family(
        "reanalysis/reused_age_(?P<statistic>mean|max)",
        "reanalysis_reused_age_updates",
        "gauge",
        "Updates since the results of such rows were found.",
    ),
)
"""Every figure that a run logs of itself; the first family that matches has it."""

LEFT_OUT = re.compile(
    r"collectors/restarts|cache/global/.+|(cache/[^/]+|results)/(hit_rate|miss_rate|read_ratio|total_queries|misses)"
)
"""Sums and shares of others, which Prometheus computes itself; looked at behind the families."""

OTHER = Family("(?P<figure>.+)", "figure", "gauge", "Any other figure of the run, under its own name.")


@cache
def find_place(figure: str) -> Place | None:
    """Return where a figure belongs; None for what others add up to."""
    for family in FAMILIES:
        if match := re.fullmatch(family.figure, figure):
            return Place(family, match.groups())
    return None if LEFT_OUT.fullmatch(figure) else Place(OTHER, (figure,))
