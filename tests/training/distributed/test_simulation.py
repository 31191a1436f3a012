"""The model that plans for more collectors than a machine has: it agrees with what can be worked out by hand."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SIMULATION = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[3] / "results" / "distributed" / "simulation.py"))
)
COSTS = {
    "batch_steps": 8,
    "collect": (0.4,),
    "update": 0.1,
    "transfer": 0.01,
    "reach": 0.02,
    "publish": 0.03,
}


def costs(**changes):
    return SIMULATION.Costs(**(COSTS | changes))


def steps_per_second(found, **options):
    return SIMULATION.simulate(found, **options).env_steps_per_second


def recurse(found, draws, *, lag):
    """Return when the updates of each round ended, in step: the slow twin."""
    num_rounds, num_collectors = draws.shape
    begun, ended = [found.publish], [0.0]  # collecting of each round, updates of each round
    for number in range(num_rounds):
        ready = max(begun[number] + found.reach + draws[number])
        taken = max(ended[number], ready) + num_collectors * found.transfer
        publish = found.publish if number or not lag else 0.0  # the first weights are there already
        ended.append(taken + (publish if lag else 0.0) + num_collectors * found.update)
        begun.append(taken + publish if lag else ended[-1] + publish)
    return ended


@settings(max_examples=30)
@given(
    num_collectors=st.integers(1, 5),
    lag=st.integers(0, 1),
    collect=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=4),
    update=st.floats(0.0, 1.0),
    seed=st.integers(0, 99),
)
def test_in_order_it_is_what_a_recursion_over_rounds_says(num_collectors, lag, collect, update, seed):
    found, num_rounds = costs(collect=tuple(collect), update=update), 40
    draws = np.random.default_rng(seed).choice(found.collect, size=SIMULATION.NUM_DRAWS)
    ended = recurse(found, draws[: num_rounds * num_collectors].reshape(num_rounds, num_collectors), lag=lag)
    seconds = ended[num_rounds] - ended[num_rounds // 10]
    expected = (num_rounds - num_rounds // 10) * num_collectors * found.batch_steps / seconds
    options = {"num_collectors": num_collectors, "lag": lag, "num_rounds": num_rounds, "seed": seed}
    assert steps_per_second(found, **options) == pytest.approx(expected)


def test_without_lag_everything_happens_one_after_another():
    assert steps_per_second(costs(), num_collectors=1, lag=0) == pytest.approx(8 / 0.56)
    assert steps_per_second(costs(), num_collectors=2, lag=0) == pytest.approx(16 / (0.4 + 0.2 + 0.02 + 0.02 + 0.03))


def test_with_lag_the_slower_of_collecting_and_updating_sets_the_pace():
    slow_updates = costs(update=5.0)
    assert steps_per_second(slow_updates, num_collectors=1, lag=1) == pytest.approx(8 / 5.04)
    assert steps_per_second(slow_updates, num_collectors=64, lag=1) == pytest.approx(8 * 64 / (64 * 5.01 + 0.03))


def test_no_run_exceeds_its_bound_and_one_that_costs_nothing_else_reaches_it():
    free = costs(transfer=0.0, reach=0.0, publish=0.0)
    alone = steps_per_second(free, num_collectors=1, lag=0)
    for num_collectors in (1, 2, 4, 8):
        gained = steps_per_second(free, num_collectors=num_collectors, lag=1) / alone
        assert gained == pytest.approx(SIMULATION.bound(free, num_collectors))
        assert steps_per_second(costs(), num_collectors=num_collectors, lag=1) < gained * alone


def test_more_lag_takes_whoever_comes_first_and_waits_less_for_the_slowest():
    uneven = costs(collect=(0.1, 0.1, 0.1, 3.0))
    in_order = SIMULATION.simulate(uneven, num_collectors=6, lag=1)
    loose = SIMULATION.simulate(uneven, num_collectors=6, lag=4)
    assert loose.env_steps_per_second > 1.1 * in_order.env_steps_per_second
    assert loose.learner_waits < in_order.learner_waits


def test_who_waits_for_whom_is_told():
    for_updates = SIMULATION.simulate(costs(update=5.0), num_collectors=2, lag=1)
    assert for_updates.learner_waits == pytest.approx(0)
    assert for_updates.collectors_wait > 0.9
    for_collectors = SIMULATION.simulate(costs(update=0.001), num_collectors=2, lag=1)
    assert for_collectors.learner_waits > 0.8
    assert for_collectors.collectors_wait < 0.2
