"""An object in a process of its own does what it is asked, fails by name, and leaves nothing behind."""

import os
import signal
import time
from contextlib import closing
from functools import partial

import psutil
import pytest

from kvzero.errors import ConfigError, ProcessError
from kvzero.processes import STOP_SIGNALS, RemoteObject
from tests.counter import Counter, refuse


def begin(make=Counter, **options):
    return closing(RemoteObject(make, **{"name": "the counter", "num_threads": 1, **options}))


@pytest.fixture(scope="module")
def counter():
    with begin(num_threads=3) as remote:
        assert remote.receive() is None
        yield remote


def test_what_an_object_holds_lasts_from_one_request_to_the_next(counter):
    before = counter.call(Counter.add, 0)
    assert counter.call(Counter.add) == before + 1
    assert counter.call(Counter.add, 2, times=3) == before + 7


def test_a_refusal_is_raised_here_and_the_object_lives_on(counter):
    with pytest.raises(ConfigError, match="number is -4; count upwards"):
        counter.call(Counter.add, -4)
    assert counter.call(Counter.add, 0) >= 0


def test_a_process_computes_and_draws_with_the_threads_that_it_is_given(counter):
    pid, computing, drawing = counter.call(Counter.facts)
    assert pid != os.getpid()
    assert (computing, drawing) == ("3", "3")


def test_stop_signals_do_not_end_a_process(counter):
    pid, _, _ = counter.call(Counter.facts)
    for number in STOP_SIGNALS:
        os.kill(pid, number)
    assert counter.call(Counter.facts)[0] == pid


def test_stop_signals_reach_this_process_as_before(counter):
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert not set(STOP_SIGNALS) & blocked


def test_a_request_ends_early_when_told_and_the_next_one_does_not(counter):
    before = counter.call(Counter.add, 0)
    began = time.monotonic()
    reached = counter.call_until(lambda: True, Counter.count_on, before + 10_000)
    assert before < reached < before + 10_000
    assert time.monotonic() - began < 10
    assert counter.call_until(lambda: False, Counter.count_on, number=reached + 3) == reached + 3


def test_a_word_to_stop_that_comes_too_late_is_no_request(counter):
    before = counter.call(Counter.add, 0)
    counter.send(Counter.add, 1)
    counter._line.send(None)
    assert counter.receive() == before + 1
    assert counter.call(Counter.add, 0) == before + 1


def test_whether_there_is_a_reply_is_known_without_waiting_for_it(counter):
    goal = counter.call(Counter.add, 0) + 20
    counter.send_stoppable(Counter.count_on, goal)
    assert not counter.has_reply()
    assert counter.has_reply(30.0)
    assert counter.receive() == goal
    assert not counter.has_reply()


def test_what_can_be_stopped_is_when_the_line_is_closed(tmp_path):
    with begin(partial(Counter, tmp_path / "closed"), end_seconds=60.0) as remote:
        remote.receive()
        remote.send_stoppable(Counter.count_on, 1_000_000)
    assert 0 <= int((tmp_path / "closed").read_text()) < 1_000_000


def test_what_cannot_be_made_is_refused_with_the_first_reply():
    with begin(refuse) as remote, pytest.raises(ConfigError, match="there is nothing to count"):
        remote.receive()


def test_an_object_is_closed_when_the_line_is(tmp_path):
    with begin(partial(Counter, tmp_path / "closed")) as remote:
        remote.receive()
        remote.call(Counter.add, 5)
    assert (tmp_path / "closed").read_text() == "5"
    remote.close()


def test_a_process_that_does_not_end_is_ended():
    with begin(partial(Counter, hangs=True), end_seconds=0.2) as remote:
        remote.receive()
        pid, *_ = remote.call(Counter.facts)
    assert not psutil.pid_exists(pid)


def test_a_death_is_told_with_how_it_came_and_the_last_line_written(tmp_path):
    log = tmp_path / "counter.log"
    with begin(log=log) as remote:
        remote.receive()
        with pytest.raises(ProcessError, match=r"the counter ended with status 1: ZeroDivisionError: .*; see .*\.log"):
            remote.call(Counter.divide)
        with pytest.raises(ProcessError, match="the counter ended with status 1"):
            remote.call(Counter.add)
    assert log.read_text().startswith("dividing\nTraceback")


def test_a_process_that_is_killed_or_leaves_without_a_word_is_named(tmp_path):
    with begin(log=tmp_path / "counter.log") as remote:
        remote.receive()
        os.kill(remote.call(Counter.facts)[0], signal.SIGKILL)
        with pytest.raises(ProcessError, match=r"the counter was killed by signal 9: it said nothing; see"):
            remote.call(Counter.add)
    with begin() as remote:
        remote.receive()
        with pytest.raises(ProcessError, match=r"the counter ended with status 7$"):
            remote.call(Counter.leave, 7)
