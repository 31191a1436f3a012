"""A breaker opens after three failures in a row, and lets try again ever less often what answers trials only."""

from kvzero.cache.tiers.breaker import Breaker


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.fail()


def wait_for_trial(breaker: Breaker, clock: Clock) -> float:
    """Return after how many seconds a trial is due."""
    started = clock.now
    while not breaker.is_due:
        clock.now += 0.125
    return clock.now - started


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    breaker = Breaker()
    fail(breaker, 2)
    breaker.succeed()
    fail(breaker, 2)
    assert not breaker.is_open
    breaker.fail()
    assert breaker.is_open
    breaker.succeed()
    assert not breaker.is_open


def test_trials_are_due_twice_a_second_for_as_long_as_they_fail() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    fail(breaker, 3)
    for _ in range(5):
        assert wait_for_trial(breaker, clock) == 0.5
        breaker.fail()


def test_what_answers_trials_only_is_tried_ever_less_often() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    fail(breaker, 3)
    waits = []
    for _ in range(8):
        waits.append(wait_for_trial(breaker, clock))
        breaker.pass_trial()
        assert not breaker.is_open
        breaker.fail()
        assert breaker.is_open  # one failure is enough now
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    breaker.pass_trial()
    breaker.succeed()
    fail(breaker, 2)
    assert not breaker.is_open
    breaker.fail()
    assert wait_for_trial(breaker, clock) == 0.5


def test_it_can_be_tripped_at_once() -> None:
    breaker = Breaker()
    breaker.trip()
    assert breaker.is_open
