"""The replay equals a slow and obvious twin: lists of rows per environment, windows cut one row at a time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.replay.conftest import NUM_SAMPLED

from kvzero.records import EnvSpec
from kvzero.replay import Draw, Replay, ReplayConfig, Segments

GOES_ON, TERMINATES, TRUNCATES, BOTH = range(4)
RESUME = "resume"


@dataclass
class Row:
    number: int
    observation: np.ndarray
    end: str | None
    action: Any = None
    reward: float = 0.0
    policy: Any = 0.0
    action_set: Any = None
    root_value: float = 0.0


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

    def window(self, start: int, num_steps: int) -> list[Row]:
        window = []
        for row in self.rows[start : start + num_steps + 1]:
            window.append(row)
            if row.end is not None:
                break
        return window


class EveryStart:
    """Draws each start once."""

    def draw(self, is_start: np.ndarray, batch_size: int, rng: np.random.Generator) -> Draw:
        starts = np.flatnonzero(is_start)
        return Draw(starts, np.ones(len(starts), np.float32))

    def update(self, indices: np.ndarray, priorities: np.ndarray) -> None:
        raise NotImplementedError


def play(events: list[Any], spec: EnvSpec, capacity: int, num_envs: int, make_step: Any) -> tuple[Replay, list[Stream]]:
    rng = np.random.default_rng(0)
    config = ReplayConfig(replay_capacity=capacity * num_envs + num_envs - 1)
    num_sampled = NUM_SAMPLED if spec.is_continuous else 0
    replay = Replay(config, spec, num_envs=num_envs, seed=3, num_sampled_actions=num_sampled, sampler=EveryStart())
    streams = [Stream() for _ in range(num_envs)]
    for event in events:
        if event == RESUME:
            replay.end_running_episodes()
            for stream in streams:
                end_running(stream)
            continue
        codes = np.array(event[:num_envs])
        step = make_step(rng, spec, num_envs)
        step["terminated"], step["truncated"] = np.isin(codes, [TERMINATES, BOTH]), codes >= TRUNCATES
        replay.add(**step)
        for env, stream in enumerate(streams):
            follow(stream, env, step, capacity)
    return replay, streams


def end_running(stream: Stream) -> None:
    if stream.rows and stream.rows[-1].end is None:
        last = stream.rows[-1]
        stream.rows[-1] = Row(last.number, last.observation, end="truncated")


def follow(stream: Stream, env: int, step: dict[str, np.ndarray], capacity: int) -> None:
    stream.append(
        capacity,
        observation=step["observations"][env],
        end=None,
        action=step["actions"][env],
        reward=step["rewards"][env],
        policy=step["policies"][env].astype(np.float32),
        root_value=np.float32(step["root_values"][env]),
        action_set=step["action_sets"][env] if "action_sets" in step else None,
    )
    if step["terminated"][env] or step["truncated"][env]:
        end = "terminated" if step["terminated"][env] else "truncated"
        stream.append(capacity, observation=step["final_observations"][env], end=end)


def check_window(segments: Segments, i: int, window: list[Row], spec: EnvSpec) -> None:
    last = len(window) - 1
    assert segments.ends[i] == last
    assert segments.terminated[i] == (window[-1].end == "terminated")
    for t in range(segments.actions.shape[1]):
        is_padding = t > last
        row = window[min(t, last)]
        np.testing.assert_array_equal(segments.observations[i, t], row.observation)
        if is_padding or row.action is None:
            low, high = (-1, 1) if spec.is_continuous else (0, spec.num_actions - 1)
            assert (segments.actions[i, t] >= low).all()
            assert (segments.actions[i, t] <= high).all()
        else:
            np.testing.assert_array_equal(segments.actions[i, t], row.action)
            if spec.is_continuous:
                np.testing.assert_array_equal(segments.action_sets[i, t], row.action_set)
        assert segments.rewards[i, t] == (0 if is_padding else row.reward)
        assert (segments.policies[i, t] == (0 if is_padding else row.policy)).all()
        assert segments.root_values[i, t] == (0 if is_padding else row.root_value)


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
    deadline=None,
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
def test_every_window_equals_the_twins(
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
    expected = {
        env * capacity + stream.rows[start].number % capacity: stream.window(start, num_steps)
        for env, stream in enumerate(streams)
        for start in stream.starts()
    }
    if not expected:
        return
    segments = replay.sample(1, num_steps=num_steps)
    assert set(segments.indices.tolist()) == set(expected)
    for i, place in enumerate(segments.indices.tolist()):
        check_window(segments, i, expected[place], spec)
