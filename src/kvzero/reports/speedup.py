"""What a run could gain beyond one process: how many times as fast it can be, at most, by what its rounds took."""

from dataclasses import dataclass

__all__ = ["SPEEDUP_BOUND", "WorkShares", "bound_speedup", "describe_speedup"]

SPEEDUP_BOUND = "collectors/speedup_bound"
"""How many times as fast as one process a run can be with its collectors, or with two where it has none."""

SPEEDUP_COLLECTORS = 2
"""Collectors whose gain is told of in a run that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkShares:
    """What a run is the work of: shares of the time that one process takes, which does all in turns."""

    collect: float
    """Of collecting."""

    reanalyse: float = 0.0
    """Of searching rows again. What remains is learning."""


def bound_speedup(
    work: WorkShares, *, num_collectors: int = 0, num_learners: int = 1, is_reanalysed_beside: bool = False
) -> float:
    """Return how many times as fast as one process a run can be, at most.

    At best collectors share their work evenly and do it all while the learner does its own: where collecting takes `c`
    and all else `u`, `N` collectors make it `(c + u) / max(c / N, u)`. Without any, and where rows are not searched
    again beside it, this is the learner's work, too; several learners share only the learning.
    """
    learner, beside = (1 - work.collect - work.reanalyse) / num_learners, [0.0]
    if num_collectors:
        beside.append(work.collect / num_collectors)
    else:
        learner += work.collect
    if is_reanalysed_beside:
        beside.append(work.reanalyse)
    else:
        learner += work.reanalyse
    return 1 / max(learner, *beside)


def describe_speedup(work: WorkShares, *, num_collectors: int) -> str:
    """Say what a run is the work of, what its collectors can gain, or two where it has none, and what others could."""
    shown = num_collectors or SPEEDUP_COLLECTORS
    crew = "one collector beside the learner" if shown == 1 else f"{shown} collectors"
    gains = [f"{crew} can make it at most {bound_speedup(work, num_collectors=shown):.2f}x as fast as one process"]
    if work.reanalyse:
        beside = bound_speedup(work, num_collectors=num_collectors, is_reanalysed_beside=True)
        gains.append(f"reanalysis beside the learner {beside:.2f}x")
    gains.append(f"twice the learners {bound_speedup(work, num_collectors=num_collectors, num_learners=2):.2f}x")
    reanalysis = f" and reanalysis {work.reanalyse:.0%}" if work.reanalyse else ""
    added = "; with these, " if num_collectors else ", "
    return (
        f"collecting is {work.collect:.0%}{reanalysis} of the work of this run: {gains[0]}{added}{', '.join(gains[1:])}"
    )
