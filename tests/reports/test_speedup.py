"""What more processes can gain is what a simulated run gains in the end, and is said in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.reports import WorkShares, bound_speedup, describe_speedup

SECONDS = st.floats(0.01, 100)
NUM_ROUNDS = 500


def simulate(seconds: tuple[float, float, float], *, collectors: int, learners: int, beside: bool) -> float:
    """Return how many times as fast many rounds go where each process begins a round as soon as it has the last one."""
    collect, reanalyse, learn = seconds
    collected = reanalysed = learnt = 0.0
    for _ in range(NUM_ROUNDS):
        if collectors:
            collected += collect / collectors
        if beside:
            reanalysed += reanalyse
        learnt = max(learnt, collected, reanalysed) + learn / learners
        learnt += (0 if beside else reanalyse) + (0 if collectors else collect)
    return NUM_ROUNDS * sum(seconds) / learnt


@given(
    seconds=st.tuples(SECONDS, SECONDS, SECONDS),
    collectors=st.integers(0, 64),
    learners=st.integers(1, 4),
    beside=st.booleans(),
)
def test_it_is_what_a_simulated_run_comes_to_and_never_passes(seconds, collectors, learners, beside):
    work = WorkShares(collect=seconds[0] / sum(seconds), reanalyse=seconds[1] / sum(seconds))
    bound = bound_speedup(work, num_collectors=collectors, num_learners=learners, is_reanalysed_beside=beside)
    gained = simulate(seconds, collectors=collectors, learners=learners, beside=beside)
    assert gained <= bound * (1 + 1e-9)
    assert gained == pytest.approx(bound, rel=3 / NUM_ROUNDS)


@given(collect=SECONDS, update=SECONDS, collectors=st.integers(1, 64))
def test_of_collectors_it_is_the_formula_that_the_documentation_gives(collect, update, collectors):
    work = WorkShares(collect=collect / (collect + update))
    bound = bound_speedup(work, num_collectors=collectors)
    assert bound == pytest.approx((collect + update) / max(collect / collectors, update))


def test_it_is_said_in_words():
    assert describe_speedup(WorkShares(collect=0.017, reanalyse=0.31), num_collectors=0) == (
        "collecting is 2% and reanalysis 31% of the work of this run: 2 collectors can make it at most 1.02x as fast "
        "as one process, reanalysis beside the learner 1.45x, twice the learners 1.51x"
    )
    assert describe_speedup(WorkShares(collect=0.6), num_collectors=1) == (
        "collecting is 60% of the work of this run: one collector beside the learner can make it at most 1.67x as fast "
        "as one process; with these, twice the learners 1.67x"
    )
    assert describe_speedup(WorkShares(collect=0.6), num_collectors=4) == (
        "collecting is 60% of the work of this run: 4 collectors can make it at most 2.50x as fast as one process; "
        "with these, twice the learners 5.00x"
    )
