"""What collectors can gain is what a simulated run gains in the end, and is said in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.reports import bound_speedup, describe_speedup

SECONDS = st.floats(0.01, 100)


def simulate(collect_seconds: float, update_seconds: float, num_collectors: int, num_rounds: int) -> float:
    """Return how many times as fast rounds go where each is updated on when it is collected, and collecting goes on."""
    collected = updated = 0.0
    for _ in range(num_rounds):
        collected += collect_seconds / num_collectors
        updated = max(updated, collected) + update_seconds
    return num_rounds * (collect_seconds + update_seconds) / updated


@given(collect_seconds=SECONDS, update_seconds=SECONDS, num_collectors=st.integers(1, 64))
def test_it_is_what_a_simulated_run_comes_to_and_never_passes(collect_seconds, update_seconds, num_collectors):
    share = collect_seconds / (collect_seconds + update_seconds)
    bound = bound_speedup(share, num_collectors=num_collectors)
    gained = simulate(collect_seconds, update_seconds, num_collectors, 2_000)
    assert gained <= bound * (1 + 1e-9)
    assert gained == pytest.approx(bound, rel=1e-3)
    assert bound == pytest.approx(
        (collect_seconds + update_seconds) / max(collect_seconds / num_collectors, update_seconds)
    )


def test_it_is_said_in_words():
    assert describe_speedup(1.7 / 98.7, num_collectors=4) == (
        "collecting takes 2% of this run: 4 collectors can make it at most 1.02x as fast"
    )
    assert describe_speedup(0.6, num_collectors=1) == (
        "collecting takes 60% of this run: one collector beside the learner can make it at most 1.67x as fast"
    )
