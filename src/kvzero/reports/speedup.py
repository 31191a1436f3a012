"""What more collectors could gain: how many times as fast they can make a run, at most, by what its rounds took."""

__all__ = ["SPEEDUP_BOUND", "bound_speedup", "describe_speedup"]

SPEEDUP_BOUND = "collectors/speedup_bound"
"""How many times as fast a run could be with its number of collectors, or with two where it collects by itself."""


def bound_speedup(collect_share: float, *, num_collectors: int) -> float:
    """Return how many times as fast so many collectors can make a run, at most, that collects and updates in turns.

    `collect_share` is the share of collecting, `c / (c + u)`. At best the collectors share its work evenly and do it
    all while the learner updates: `(c + u) / max(c / N, u)`.
    """
    return 1 / max(collect_share / num_collectors, 1 - collect_share)


def describe_speedup(collect_share: float, *, num_collectors: int) -> str:
    """Say how much of a run is collecting, and how much faster so many collectors can make it."""
    bound = bound_speedup(collect_share, num_collectors=num_collectors)
    collectors = "one collector beside the learner" if num_collectors == 1 else f"{num_collectors} collectors"
    return f"collecting takes {collect_share:.0%} of this run: {collectors} can make it at most {bound:.2f}x as fast"
