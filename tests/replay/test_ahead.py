"""Drawing ahead gives what drawing on demand gives, whether or not all of it is used."""

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from tests.replay.conftest import assert_same

from kvzero.errors import EmptyReplayError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, sample_ahead

SPEC = EnvSpec(observation_shape=(3,), num_actions=2)


@pytest.fixture
def replay(make_replay: Callable[..., Replay], add_steps: Callable[..., None]) -> Replay:
    replay = make_replay(SPEC, num_envs=2, rows_per_env=40)
    add_steps(replay, SPEC, num_envs=2, num_steps=30)
    return replay


def test_batches_drawn_ahead_are_those_drawn_one_after_the_other(replay: Replay) -> None:
    start = replay.rng_state()
    wanted = [replay.sample(5, num_steps=4) for _ in range(3)]
    end = replay.rng_state()
    replay.load_rng_state(start)
    found = list(sample_ahead(replay, 3, batch_size=5, num_steps=4))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other)
    assert replay.rng_state() == end


@pytest.mark.parametrize("num_used", [0, 1, 2])
def test_a_batch_that_is_not_used_is_as_if_it_had_not_been_drawn(replay: Replay, num_used: int) -> None:
    start = replay.rng_state()
    for _ in range(num_used):
        replay.sample(5, num_steps=4)
    after_used = replay.rng_state()
    replay.load_rng_state(start)
    with closing(sample_ahead(replay, 3, batch_size=5, num_steps=4)) as batches:
        for _ in range(num_used):
            next(batches)
    assert replay.rng_state() == after_used


def test_no_batch_is_drawn_where_none_is_asked_for(make_replay: Callable[..., Replay]) -> None:
    empty = make_replay(SPEC, num_envs=2, rows_per_env=4)
    assert list(sample_ahead(empty, 0, batch_size=5, num_steps=4)) == []
    with pytest.raises(EmptyReplayError, match="0 steps"):
        list(sample_ahead(empty, 1, batch_size=5, num_steps=4))


def test_prioritised_batches_are_the_same_whenever_their_errors_are_told(
    make_replay: Callable[..., Replay], add_steps: Callable[..., None]
) -> None:
    """Those of each are told as soon as it is used, while the thread draws the next, or on demand and in the end."""
    ahead, on_demand = (make_replay(SPEC, num_envs=2, rows_per_env=40, sampler="prioritised") for _ in range(2))
    for _ in range(3):
        for each in (ahead, on_demand):
            add_steps(each, SPEC, num_envs=2, num_steps=30)
        wanted = [on_demand.sample(5, num_steps=4, progress=0.3) for _ in range(6)]
        found = []
        for segments in sample_ahead(ahead, 6, batch_size=5, num_steps=4, progress=0.3):
            ahead.prioritise(segments.places, np.arange(5.0) * len(found))
            found.append(segments)
        for number, segments in enumerate(wanted):
            on_demand.prioritise(segments.places, np.arange(5.0) * number)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    assert wanted[0].weights is not None
    assert wanted[0].weights.min() < 1
