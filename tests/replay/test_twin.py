"""The replay equals a slow and obvious twin: lists of rows per environment, segments cut one row at a time."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.replay.conftest import row_spec_of

from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, Segments, StepBatch

GOES_ON, TERMINATES, TRUNCATES, BOTH = range(4)
RESUME = "resume"
DRAWS_PER_START = 25  # so many that every start is drawn


@dataclass
class Row:
    number: int
    observation: np.ndarray
    end: str | None
    action: Any = None
    reward: float = 0.0
    policy: Any = 0.0
    action_set: Any = 0.0


@dataclass
class Stream:
    """All that one environment has shown and that is still remembered."""

    rows: list[Row] = field(default_factory=list)
    num_written: int = 0

    def append(self, capacity: int, **values: Any) -> None:
        self.rows = [*self.rows, Row(self.num_written, **values)][-capacity:]
        self.num_written += 1

    def starts(self) -> list[int]:
        return [i for i, row in enumerate(self.rows[:-1]) if row.end is None]

    def segment(self, start: int, num_steps: int) -> list[Row]:
        segment = []
        for row in self.rows[start : start + num_steps + 1]:
            segment.append(row)
            if row.end is not None:
                break
        return segment


def play(events: list[Any], spec: EnvSpec, capacity: int, num_envs: int, make_step: Any) -> tuple[Replay, list[Stream]]:
    rng = np.random.default_rng(0)
    config = ReplayConfig(replay_capacity=capacity * num_envs + num_envs - 1)
    replay = Replay(config, row_spec_of(spec), num_envs=num_envs, seed=3)
    streams = [Stream() for _ in range(num_envs)]
    for event in events:
        if event == RESUME:
            replay.end_running_episodes()
            for stream in streams:
                end_running(stream)
            continue
        codes = np.array(event[:num_envs])
        step = replace(
            make_step(rng, spec, num_envs),
            terminated=np.isin(codes, [TERMINATES, BOTH]),
            truncated=codes >= TRUNCATES,
        )
        replay.add(step)
        for env, stream in enumerate(streams):
            follow(stream, env, step, capacity)
    return replay, streams


def end_running(stream: Stream) -> None:
    if stream.rows and stream.rows[-1].end is None:
        last = stream.rows[-1]
        stream.rows[-1] = Row(last.number, last.observation, end="truncated")


def follow(stream: Stream, env: int, step: StepBatch, capacity: int) -> None:
    fields = step.fields
    stream.append(
        capacity,
        observation=fields["observations"][env],
        end=None,
        action=fields["actions"][env],
        reward=fields["rewards"][env],
        policy=fields["policies"][env].astype(np.float32),
        action_set=fields["action_sets"][env] if "action_sets" in fields else 0.0,
    )
    if step.terminated[env] or step.truncated[env]:
        end = "terminated" if step.terminated[env] else "truncated"
        stream.append(capacity, observation=step.final_observations[env], end=end)


def check_slots(replay: Replay, streams: list[Stream], capacity: int) -> None:
    arrays = replay.state_arrays()
    for env, stream in enumerate(streams):
        for row in stream.rows:
            np.testing.assert_array_equal(arrays[f"observations.{env}"][row.number % capacity], row.observation)


def check_segment(segments: Segments, i: int, segment: list[Row], spec: EnvSpec) -> None:
    last, fields = len(segment) - 1, segments.fields
    assert segments.ends[i] == last
    assert segments.terminated[i] == (segment[-1].end == "terminated")
    for t in range(fields["actions"].shape[1]):
        is_padding = t > last
        row = segment[min(t, last)]
        np.testing.assert_array_equal(fields["observations"][i, t], row.observation)
        if is_padding or row.action is None:
            low, high = (-1, 1) if spec.is_continuous else (0, spec.num_actions - 1)
            assert (fields["actions"][i, t] >= low).all()
            assert (fields["actions"][i, t] <= high).all()
        else:
            np.testing.assert_array_equal(fields["actions"][i, t], row.action)
        assert fields["rewards"][i, t] == (0 if is_padding else row.reward)
        assert (fields["policies"][i, t] == (0 if is_padding else row.policy)).all()
        if spec.is_continuous:
            assert (fields["action_sets"][i, t] == (0 if is_padding else row.action_set)).all()


MAX_ENVS = 3
EVENTS = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from([GOES_ON, GOES_ON, GOES_ON, TERMINATES, TRUNCATES, BOTH]),
            min_size=MAX_ENVS,
            max_size=MAX_ENVS,
        ),
        st.just(RESUME),
    ),
    max_size=30,
)


@settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    events=EVENTS,
    capacity=st.integers(2, 13),
    num_envs=st.integers(1, MAX_ENVS),
    num_steps=st.integers(1, 8),
    shape=st.sampled_from([(4,), (5, 6, 7)]),
    action_dim=st.sampled_from([0, 2]),
)
def test_every_segment_equals_the_twins(
    make_step: Any,
    events: list[Any],
    capacity: int,
    num_envs: int,
    num_steps: int,
    shape: tuple[int, ...],
    action_dim: int,
) -> None:
    spec = EnvSpec(observation_shape=shape, num_actions=0 if action_dim else 9, action_dim=action_dim)
    replay, streams = play(events, spec, capacity, num_envs, make_step)
    assert len(replay) == sum(row.end is None for stream in streams for row in stream.rows)
    check_slots(replay, streams, capacity)
    expected = {
        stream.rows[start].observation.tobytes(): stream.segment(start, num_steps)
        for stream in streams
        for start in stream.starts()
    }
    if not expected:
        return
    segments = replay.sample(DRAWS_PER_START * len(expected), num_steps=num_steps)
    drawn = {first.tobytes(): i for i, first in enumerate(segments.fields["observations"][:, 0])}
    assert drawn.keys() == expected.keys()
    for start, i in drawn.items():
        check_segment(segments, i, expected[start], spec)
