"""No time is lost or counted twice."""

import pytest
from torch import nn

from kvzero.bench.stopwatch import Stopwatch, time_encoder, timed


class Clock:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_part_inside_another_is_not_counted_twice(clock):
    stopwatch = Stopwatch(clock=clock)
    with timed(stopwatch, "outer"):
        clock.seconds += 1
        with timed(stopwatch, "inner"):
            clock.seconds += 10
        clock.seconds += 100
    clock.seconds += 1000
    with timed(stopwatch, "inner"):
        clock.seconds += 20
    assert stopwatch.seconds == {"outer": 101, "inner": 30}


def test_marks_cut_time_into_parts_that_follow_each_other(clock):
    stopwatch = Stopwatch(clock=clock)
    clock.seconds += 7
    stopwatch.clear()
    for part, seconds in (("one", 1), ("two", 2), ("one", 4)):
        clock.seconds += seconds
        stopwatch.mark(part)
    assert stopwatch.seconds == {"one": 5, "two": 2}
    found = stopwatch.milliseconds(("one", "two", "never"), total_seconds=10.0, count=4)
    assert found == {"one": 1250, "two": 500, "never": 0, "rest": 750}


def test_the_device_is_waited_for_before_the_clock_is_read(clock):
    def arrive() -> None:
        clock.seconds += 5

    stopwatch = Stopwatch(clock=clock, synchronise=arrive)
    with timed(stopwatch, "part"):
        pass
    assert stopwatch.seconds == {"part": 5}


def test_inside_a_block_it_is_not_waited_for(clock):
    waited = []
    stopwatch = Stopwatch(clock=clock, synchronise=lambda: waited.append(clock.seconds))
    before = len(waited)
    with stopwatch.unsynchronised(), timed(stopwatch, "part"):
        clock.seconds += 1
    assert len(waited) == before
    stopwatch.now()
    assert len(waited) == before + 1


def test_an_encoder_is_timed_inside_the_block_only(clock):
    class Slow(nn.Module):
        def forward(self, number):
            clock.seconds += number
            return number

    encoder, stopwatch = Slow(), Stopwatch(clock=clock)
    with time_encoder(encoder, stopwatch), timed(stopwatch, "roots"):
        encoder(3)
        clock.seconds += 1
    encoder(100)
    assert stopwatch.seconds == {"encode": 3, "roots": 1}
