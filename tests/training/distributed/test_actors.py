"""Actors are asked one thing at a time, asked again where a connection failed, and replaced where they are lost."""

from types import SimpleNamespace

import pytest

from kvzero.errors import ClusterError
from kvzero.training.distributed.actors import Actors, Lost
from kvzero.training.distributed.config import DistributedConfig

CONFIG = DistributedConfig(collectors=2, max_restarts=2, start_seconds=100.0, silent_seconds=10.0)
LOOK = 1.0


class RayError(Exception):
    pass


class ActorUnavailableError(RayError):
    pass


class Handle:
    """An actor that answers with what the test has in store for it, and while that is nothing not at all."""

    def __init__(self, number):
        self.number = number
        self.answers, self.asked = [], []
        self.work = SimpleNamespace(remote=self.ask)

    def ask(self, *arguments):
        self.asked.append(arguments)
        return self, len(self.asked)


class FakeRay:
    """What actors ask of Ray, and a clock."""

    exceptions = SimpleNamespace(RayError=RayError, ActorUnavailableError=ActorUnavailableError)

    def __init__(self):
        self.now = 0.0
        self.made, self.killed = [], []

    def make(self, number):
        self.made.append(Handle(number))
        return self.made[-1]

    def wait(self, replies, *, num_returns, timeout):
        ready = [reply for reply in replies if reply[0].answers]
        self.now += 0 if ready else timeout
        return ready, [reply for reply in replies if reply not in ready]

    def get(self, reply, *, timeout):
        answer = reply[0].answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, handle, *, no_restart):
        assert no_restart
        self.killed.append(handle)


@pytest.fixture
def ray():
    return FakeRay()


@pytest.fixture
def actors(ray):
    return Actors(ray, ray.make, num_actors=2, name="worker", config=CONFIG, clock=lambda: ray.now)


def test_replies_come_from_those_who_have_answered(ray, actors):
    for number in (0, 1):
        actors.ask(number, "work", "hard", number)
    assert actors.receive([0, 1], LOOK) == {}
    ray.made[1].answers.append("done")
    assert actors.num_ready([0, 1]) == 1
    assert actors.receive([0, 1], LOOK) == {1: "done"}
    assert [handle.asked for handle in ray.made] == [[("hard", 0)], [("hard", 1)]]


def test_the_same_is_asked_again_where_a_connection_failed(ray, actors):
    actors.ask(0, "work", "hard")
    ray.made[0].answers.append(ActorUnavailableError("no route"))
    assert actors.receive([0], LOOK) == {}
    ray.made[0].answers.append("done")
    assert actors.receive([0], LOOK) == {0: "done"}
    assert ray.made[0].asked == [("hard",), ("hard",)]


def test_a_connection_that_fails_for_longer_than_silence_is_allowed_is_a_loss(ray, actors):
    actors.ask(0, "work")
    ray.now = 101.0
    ray.made[0].answers.append(ActorUnavailableError("no route"))
    assert actors.receive([0], LOOK) == {0: Lost("no route")}


def test_a_loss_is_told_by_the_line_that_says_why(ray, actors):
    actors.ask(0, "work")
    for guesses in ("There are some potential root causes.", "Some common causes include: (1) this (2) that."):
        said = f"The actor died.\n\tpid: 12\nThe actor is dead because it ended. End of file. {guesses}"
        ray.made[0].answers.append(RayError(said))
        assert actors.receive([0], LOOK) == {0: Lost("The actor is dead because it ended. End of file")}
        actors.ask(0, "work")


def test_one_in_place_of_another_is_new_and_the_lost_one_is_ended(ray, actors):
    actors.ask(1, "work")
    ray.made[1].answers.append("done")
    actors.receive([1], LOOK)
    actors.replace(1, "it fell")
    assert [handle.number for handle in ray.made] == [0, 1, 1]
    assert ray.killed == [ray.made[1]]
    assert (actors.incarnation(0), actors.incarnation(1)) == (0, 1)
    assert actors.num_restarts == [0, 1]


def test_only_those_are_ended_that_have_begun(ray, actors):
    actors.ask(1, "work")
    ray.made[1].answers.append("done")
    actors.receive([1], LOOK)
    actors.close()
    assert ray.killed == [ray.made[1]]


def test_too_many_losses_within_a_minute_end_it_with_the_cause(ray, actors):
    for now in (0.0, 50.0, 61.0):  # never more than two within a minute
        ray.now = now
        actors.replace(0, "it fell")
    ray.now = 70.0
    with pytest.raises(ClusterError, match=r"worker 1 was lost: it broke; that makes 3 within a minute, .* is 2; mend"):
        actors.replace(1, "it broke")


def test_who_has_answered_before_and_is_silent_is_lost(ray, actors):
    actors.ask(0, "work", usual_seconds=5.0)
    ray.made[0].answers.append("done")
    actors.receive([0], LOOK)
    actors.ask(0, "work", usual_seconds=5.0)
    ray.now = 14.0
    assert actors.receive([0], LOOK) == {}
    ray.now = 15.5
    assert actors.receive([0], LOOK) == {0: Lost("it said nothing any more")}


def test_who_does_not_start_ends_it(ray, actors):
    actors.ask(0, "work", usual_seconds=5.0)
    ray.now = 104.5
    with pytest.raises(ClusterError, match=r"worker 0 has not started and answered within 100 s"):
        actors.receive([0], LOOK)


def test_who_does_not_start_in_place_of_another_ends_it_with_why_that_was_lost(ray, actors):
    actors.replace(0, "its node is gone")
    actors.ask(0, "work", usual_seconds=5.0)
    ray.now = 105.5
    said = r"worker 0 was lost \(its node is gone\), and the one in its place has not started .* within 100 s"
    with pytest.raises(ClusterError, match=said):
        actors.receive([0], LOOK)
