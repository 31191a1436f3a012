"""Prioritised draws against lists of rows that each know their priority, however rings wrap and episodes end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.replay.conftest import row_spec_of

from kvzero.errors import ConfigError, PriorityError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, StepBatch

SPEC = EnvSpec(observation_shape=(3,), num_actions=2)
ALPHA, BETA = 0.7, 0.3
TINY = 1e-6
PER_SUM = 200  # draws, so many that each start that has one of them for its share is drawn
MASSES = "sampler.masses"


@dataclass
class Row:
    number: int
    is_step: bool
    mass: float = 0.0


@dataclass
class Twin:
    """Rows of every environment, the oldest first, each with its priority to the power of alpha."""

    capacity: int
    num_envs: int
    largest: float = 1.0
    streams: list[list[Row]] = field(init=False)
    pending: list[tuple[Row, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.streams = [[] for _ in range(self.num_envs)]

    def add(self, ended: np.ndarray) -> None:
        for row, error in self.pending:
            row.mass = (error + TINY) ** ALPHA
            self.largest = max(self.largest, row.mass)
        self.pending = []
        for stream, is_over in zip(self.streams, ended, strict=True):
            self.append(stream, is_step=True)
            if is_over:
                self.append(stream, is_step=False)

    def append(self, stream: list[Row], *, is_step: bool) -> None:
        number = 0
        if stream:
            number = stream[-1].number + 1
            if stream[-1].is_step:  # its next observation has come
                stream[-1].mass = self.largest
        stream.append(Row(number, is_step))
        del stream[: -self.capacity]

    def resume(self) -> None:
        for stream in self.streams:
            if stream:
                stream[-1].is_step = False

    def by_place(self) -> dict[int, Row]:
        return {
            env * self.capacity + row.number % self.capacity: row
            for env, stream in enumerate(self.streams)
            for row in stream
        }


def new_replay(capacity: int, num_envs: int, *, alpha: float = ALPHA) -> Replay:
    config = ReplayConfig(
        replay_capacity=capacity * num_envs, sampler="prioritised", priority_alpha=alpha, priority_beta=BETA
    )
    return Replay(config, row_spec_of(SPEC), num_envs=num_envs, seed=3)


def check_draws(replay: Replay, twin: Twin, *, progress: float) -> None:
    rows = twin.by_place()
    starts = {place: row.mass for place, row in rows.items() if row.mass > 0}
    total = sum(starts.values())
    drawn = replay.sample(PER_SUM, num_steps=2, progress=progress)
    counts = Counter(drawn.places.tolist())
    assert counts.keys() <= starts.keys()
    for place, mass in starts.items():
        assert counts[place] == pytest.approx(PER_SUM * mass / total, abs=2)  # each draw has a part of its own
    beta = BETA + min(progress, 1) * (1 - BETA)
    weights = {place: (len(starts) * mass / total) ** -beta for place, mass in starts.items()}
    largest = max(weights[place] for place in counts)
    assert drawn.weights is not None
    np.testing.assert_allclose(drawn.weights, [weights[place] / largest for place in drawn.places], rtol=1e-5)
    assert (drawn.ends >= 1).all()  # no segment without a step


ERRORS = 0.0, 1e-7, 0.1, 0.5, 3.0, 8.0, 8.0, 1e9


@settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 999),
    num_events=st.integers(0, 60),
    capacity=st.integers(2, 13),
    num_envs=st.integers(1, 3),
    progress=st.sampled_from([0.0, 0.4, 1.0, 1.2]),
)
def test_every_draw_follows_the_twins_priorities(
    make_step: Callable[..., StepBatch], seed: int, num_events: int, capacity: int, num_envs: int, progress: float
) -> None:
    rng, replay, twin = np.random.default_rng(seed), new_replay(capacity, num_envs), Twin(capacity, num_envs)
    for _ in range(num_events):
        chance = rng.random()
        if chance < 0.05:
            replay.end_running_episodes()
            twin.resume()
        elif chance < 0.5 or not replay.has_starts:
            ended = rng.random(num_envs) < 0.3
            replay.add(replace(make_step(rng, SPEC, num_envs), terminated=ended))
            twin.add(ended)
        else:
            places = replay.sample(4, num_steps=2).places
            errors = rng.choice(ERRORS[: rng.integers(1, len(ERRORS) + 1)], size=4)
            replay.prioritise(places, errors)
            rows = twin.by_place()
            twin.pending += [
                (rows[place], error) for place, error in zip(places.tolist(), errors.tolist(), strict=True)
            ]
    wanted = np.zeros(num_envs * capacity)
    for place, row in twin.by_place().items():
        wanted[place] = row.mass
    np.testing.assert_allclose(replay.state_arrays()[MASSES], wanted, rtol=1e-12)
    assert replay.has_starts == wanted.any()
    if wanted.any():
        check_draws(replay, twin, progress=progress)


def test_what_is_drawn_three_times_as_often_counts_so_much_less(make_step: Any) -> None:
    replay = filled(make_step, alpha=1.0)
    for first in (0, 20):
        replay.prioritise(np.arange(first, first + 8), np.array([1.0, 3.0] * 4))
    replay.add(make_step(np.random.default_rng(1), SPEC, 2))  # two more starts, 8 and 28, of the largest priority
    drawn = replay.sample(900, num_steps=2, progress=0.5)
    is_worse = np.isin(drawn.places % 20, (1, 3, 5, 7, 8))
    assert np.count_nonzero(is_worse) == pytest.approx(900 * 30 / 38, abs=20)
    assert drawn.weights is not None
    wanted = np.where(is_worse, 3 ** -(BETA + 0.5 * (1 - BETA)), 1.0)
    np.testing.assert_allclose(drawn.weights, wanted, rtol=1e-5)


def filled(make_step: Callable[..., StepBatch], *, alpha: float = ALPHA) -> Replay:
    rng, replay = np.random.default_rng(0), new_replay(20, 2, alpha=alpha)
    for _ in range(9):
        replay.add(make_step(rng, SPEC, 2))
    return replay


@pytest.mark.parametrize("error", [float("nan"), float("inf"), -0.5])
def test_an_error_that_no_priority_can_be_made_of_is_refused_and_changes_nothing(make_step: Any, error: float) -> None:
    replay = filled(make_step)
    before = {name: array.copy() for name, array in replay.state_arrays().items()}
    places = replay.sample(3, num_steps=2).places
    with pytest.raises(PriorityError, match=rf"is {error}.*finite numbers.*sampler=uniform"):
        replay.prioritise(places, np.array([1.0, error, 2.0], np.float32))
    after = replay.state_arrays()
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_what_is_predicted_without_error_is_still_drawn_some_day(make_step: Any) -> None:
    replay = filled(make_step, alpha=0.1)
    replay.prioritise(np.arange(8), np.zeros(8))
    replay.add(make_step(np.random.default_rng(1), SPEC, 2))
    drawn = np.concatenate([replay.sample(500, num_steps=2).places for _ in range(5)])
    assert set(range(8)) < set(drawn.tolist())


def test_errors_of_a_caller_who_is_late_make_nothing_drawn_that_cannot_be_started_at(make_step: Any) -> None:
    rng, replay = np.random.default_rng(0), new_replay(4, 1)
    for _ in range(4):
        replay.add(make_step(rng, SPEC, 1))
    places = replay.sample(8, num_steps=2).places
    assert set(places.tolist()) == {0, 1, 2}
    replay.add(replace(make_step(rng, SPEC, 1), terminated=np.array([True])))  # over the rows 0 and 1
    replay.prioritise(places, np.full(8, 50.0))
    replay.add(make_step(rng, SPEC, 1))
    assert np.flatnonzero(replay.state_arrays()[MASSES]).tolist() == [0, 3]  # not 1, which is an end row by now


def test_draws_between_two_rows_do_not_depend_on_when_errors_are_told(make_step: Any) -> None:
    telling, waiting = filled(make_step), filled(make_step)
    kept = []
    for number in range(4):
        batches = [each.sample(6, num_steps=2) for each in (telling, waiting)]
        np.testing.assert_array_equal(batches[0].places, batches[1].places)
        errors = np.arange(6.0) + number
        telling.prioritise(batches[0].places, errors)
        kept.append((batches[1].places, errors))
    for places, errors in kept:
        waiting.prioritise(places, errors)
    rng = np.random.default_rng(1)
    step = make_step(rng, SPEC, 2)
    for each in (telling, waiting):
        each.add(step)
    places = [each.sample(6, num_steps=2).places for each in (telling, waiting)]
    np.testing.assert_array_equal(*places)
    assert telling.state_arrays()["sampler.largest"] == pytest.approx((8 + TINY) ** ALPHA)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampler": "prioritised", "priority_alpha": 0.0}, "priority_alpha is 0.0; give a power above 0"),
        ({"sampler": "prioritised", "priority_alpha": 1.5}, "priority_alpha is 1.5"),
        ({"sampler": "prioritised", "priority_alpha": float("nan")}, "priority_alpha is nan"),
        ({"sampler": "prioritised", "priority_beta": -0.1}, "priority_beta is -0.1; give a power from 0 to 1"),
        ({"priority_alpha": 1.0, "priority_beta": 1.0}, "priority_alpha, priority_beta would have no effect"),
    ],
)
def test_settings_that_cannot_be_or_change_nothing_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ReplayConfig(**settings)
