"""The clock counts this session's seconds on top of those before it."""

from kvzero.training.session.clock import RunClock


def test_seconds_go_on_from_those_of_the_sessions_before():
    times = iter([50.0, 53.0, 54.5])
    clock = RunClock(now=lambda: next(times))
    assert clock.seconds == 3.0
    clock.resume(100.0)
    assert clock.seconds == 104.5
