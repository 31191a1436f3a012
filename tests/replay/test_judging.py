"""Which rows are judged next, and what they are seen with, equal a slow and obvious twin: lists of rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.replay.conftest import random_step

from kvzero.records import EnvSpec
from kvzero.replay import Chunks, Replay, ReplayConfig, build_row_spec
from kvzero.replay.judging import CHUNK_ROWS

SPEC = EnvSpec(observation_shape=(3,), num_actions=5)
MAX_ENVS = 3
GOES_ON, TERMINATES, TRUNCATES = range(3)


@dataclass
class Row:
    """A row that is held, and how old its newest search is; an episode's end has none."""

    number: int
    observation: np.ndarray
    action: int = 0
    judged_at: int | None = None


@dataclass
class Twin:
    """A replay, and what its rings should hold, one list per environment."""

    replay: Replay
    streams: list[list[Row]]
    capacity: int

    def held(self, env: int) -> list[Row]:
        return self.streams[env][-self.capacity :]

    def steps(self) -> list[tuple[int, Row]]:
        return [(env, row) for env in range(len(self.streams)) for row in self.held(env) if row.judged_at is not None]

    def oldest(self, num_rows: int, before: int) -> list[tuple[int, Row]]:
        """Return what is to be judged, environment by environment, in the order in which it was written."""
        candidates = [(env, row) for env, row in self.steps() if row.judged_at < before]
        chosen = sorted(candidates, key=lambda step: step[1].judged_at)[:num_rows]  # equally old ones stay in order
        return sorted(chosen, key=lambda step: (step[0], step[1].number))

    def context(self, env: int, row: Row, most: int) -> list[Row]:
        """Return the rows of a row's episode that come before it, as far as they are held."""
        before = [other for other in self.held(env) if other.number < row.number]
        ends = [index for index, other in enumerate(before) if other.judged_at is None]
        return before[ends[-1] + 1 if ends else 0 :][-most:]


def play(events: list[list[int]], ages: list[int], *, num_envs: int, capacity: int) -> Twin:
    rng = np.random.default_rng(0)
    spec = build_row_spec(SPEC, keeps_searches=True)
    replay = Replay(ReplayConfig(replay_capacity=capacity * num_envs), spec, num_envs=num_envs, seed=0)
    streams: list[list[Row]] = [[] for _ in range(num_envs)]
    for codes, age in zip(events, ages, strict=False):
        step, ends = random_step(rng, SPEC, num_envs), np.array(codes[:num_envs])
        masks = np.ones((num_envs, SPEC.num_actions), bool)
        masks[:, 1] = step.fields["rewards"] > 0
        made_by = np.full(num_envs, age)
        more = {"search_values": np.zeros(num_envs, np.float32), "collected_at": made_by, "judged_at": made_by}
        step = replace(
            step,
            fields={**step.fields, **more, "action_masks": masks},
            terminated=ends == TERMINATES,
            truncated=ends == TRUNCATES,
        )
        replay.add(step)
        for env, stream in enumerate(streams):
            row = Row(len(stream), step.fields["observations"][env], int(step.fields["actions"][env]), age)
            stream.append(row)
            if ends[env]:
                stream.append(Row(len(stream), step.final_observations[env]))
    return Twin(replay, streams, capacity)


def check_chunks(chunks: Chunks, wanted: list[tuple[int, Row]], twin: Twin, *, context_steps: int) -> None:
    assert chunks.is_root[:, -1].all()
    assert (chunks.is_root <= chunks.is_valid).all()
    assert chunks.is_root.sum(axis=1).max() <= CHUNK_ROWS
    rows, times = np.nonzero(chunks.is_root)
    assert len(rows) == len(chunks.places) == len(wanted)
    for (env, row), chunk, time, place in zip(wanted, rows, times, chunks.places, strict=True):
        assert place == env * twin.capacity + row.number % twin.capacity
        np.testing.assert_array_equal(chunks.fields["observations"][chunk, time], row.observation)
        context = twin.context(env, row, context_steps)
        seen = range(time - len(context), time)
        assert chunks.is_valid[chunk, list(seen)].all()
        if len(context) < context_steps:
            assert not chunks.is_valid[chunk, : time - len(context)].any()
        for other, before in zip(context, seen, strict=True):
            np.testing.assert_array_equal(chunks.fields["observations"][chunk, before], other.observation)
            assert chunks.fields["actions"][chunk, before] == other.action


EVENT = st.lists(st.sampled_from([GOES_ON] * 6 + [TERMINATES, TRUNCATES]), min_size=MAX_ENVS, max_size=MAX_ENVS)


@settings(max_examples=120, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(EVENT, max_size=60),
    ages=st.lists(st.integers(0, 6), min_size=60, max_size=60),
    capacity=st.integers(2, 50),
    num_envs=st.integers(1, MAX_ENVS),
    num_rows=st.integers(1, 70),
    before=st.integers(0, 7),
    context_steps=st.integers(1, 6),
    rows_at_once=st.integers(1, 40),
)
@example(  # row 1 of one environment and row 2 of the next are no neighbours
    events=[[GOES_ON, TERMINATES], [GOES_ON, GOES_ON], [GOES_ON, GOES_ON]],
    ages=[6, 1, 6],
    capacity=10,
    num_envs=2,
    num_rows=9,
    before=5,
    context_steps=2,
    rows_at_once=8,
)
def test_rows_to_judge_equal_the_twins(
    events: list[list[int]], ages: list[int], capacity: int, num_envs: int, num_rows: int, before: int, **rest: int
) -> None:
    twin = play(events, ages, num_envs=num_envs, capacity=capacity)
    wanted, num_found = twin.oldest(num_rows, before), 0
    for chunks in twin.replay.to_judge(num_rows, before=before, **rest):
        some = wanted[num_found : num_found + len(chunks.places)]
        check_chunks(chunks, some, twin, context_steps=rest["context_steps"])
        values = np.array([1 + 100 * env + row.number for env, row in some])
        twin.replay.judge(chunks, {"search_values": values, "judged_at": np.full(len(some), before)})
        assert len(some) <= rest["rows_at_once"]
        num_found += len(some)
    assert num_found == len(wanted)
    check_written(twin, wanted)


def check_written(twin: Twin, judged: list[tuple[int, Row]]) -> None:
    """See that what was written stands at the rows that were judged, and nowhere else."""
    arrays = twin.replay.state_arrays()
    names = {(env, row.number) for env, row in judged}
    for env in range(len(twin.streams)):
        for row in twin.held(env):
            found = arrays[f"search_values.{env}"][row.number % twin.capacity]
            assert found == (1 + 100 * env + row.number if (env, row.number) in names else 0)


def random_twin(**sizes: int) -> Twin:
    rng = np.random.default_rng(1)
    events: Any = rng.choice([GOES_ON] * 9 + [TERMINATES], size=(40, MAX_ENVS)).tolist()
    return play(events, [0] * 40, num_envs=2, **sizes)


def test_masks_come_with_the_rows_that_they_are_of() -> None:
    twin = random_twin(capacity=50)
    arrays = twin.replay.state_arrays()
    seen = set()
    for chunks in twin.replay.to_judge(99, before=1, context_steps=2, rows_at_once=9):
        envs, slots = np.divmod(chunks.places, twin.capacity)
        for env, slot, mask in zip(envs, slots, chunks.fields["action_masks"][chunks.is_root], strict=True):
            np.testing.assert_array_equal(mask, arrays[f"action_masks.{env}"][slot])
            seen.add(bool(mask[1]))
    assert seen == {False, True}


def test_rows_that_were_judged_come_last() -> None:
    twin, seen = random_twin(capacity=50), []
    for update in range(1, 5):
        for chunks in twin.replay.to_judge(20, before=update, context_steps=2, rows_at_once=64):
            twin.replay.judge(chunks, {"judged_at": np.full(len(chunks.places), update)})
            seen += chunks.places.tolist()
    assert len(set(seen)) == len(seen) == len(twin.steps()) == 80
    assert not list(twin.replay.to_judge(20, before=1, context_steps=2, rows_at_once=64))
    (again,) = twin.replay.to_judge(20, before=2, context_steps=2, rows_at_once=64)
    assert again.places.tolist() == seen[:20]


def test_of_an_empty_replay_nothing_is_judged() -> None:
    twin = play([], [], num_envs=2, capacity=5)
    assert not list(twin.replay.to_judge(20, before=1, context_steps=2, rows_at_once=64))
    assert len(twin.replay.steps_of("judged_at")) == 0


def test_a_resumed_replay_is_judged_without_the_rows_that_a_pause_has_ended() -> None:
    twin = random_twin(capacity=30)
    resumed = play([], [], num_envs=2, capacity=30).replay
    resumed.load_state_arrays(twin.replay.state_arrays())
    resumed.end_running_episodes()
    before, after = (
        next(iter(replay.to_judge(99, before=1, context_steps=2, rows_at_once=99))) for replay in (twin.replay, resumed)
    )
    newest = {env * 30 + (len(stream) - 1) % 30 for env, stream in enumerate(twin.streams)}
    running = {
        env * 30 + (len(stream) - 1) % 30 for env, stream in enumerate(twin.streams) if stream[-1].judged_at is not None
    }
    assert newest >= running
    assert running
    assert set(before.places.tolist()) - running == set(after.places.tolist())


@pytest.mark.parametrize("name", ["search_values", "judged_at", "collected_at", "action_masks"])
def test_rows_keep_searches_only_where_they_are_to(name: str) -> None:
    assert name not in build_row_spec(SPEC)
    assert name in build_row_spec(SPEC, keeps_searches=True)


def test_what_is_found_too_late_is_not_written_over_newer_rows() -> None:
    rng = np.random.default_rng(1)
    twin = random_twin(capacity=30)
    late = list(twin.replay.to_judge(99, before=1, context_steps=2, rows_at_once=9))
    ordered = twin.steps()
    for _ in range(7):
        step, more = random_step(rng, SPEC, 2), {name: np.zeros(2, np.int64) for name in ("collected_at", "judged_at")}
        more |= {"search_values": np.zeros(2), "action_masks": np.ones((2, SPEC.num_actions), bool)}
        twin.replay.add(replace(step, fields={**step.fields, **more}))
        for env, stream in enumerate(twin.streams):
            stream.append(Row(len(stream), step.fields["observations"][env], judged_at=0))
            if step.terminated[env] or step.truncated[env]:
                stream.append(Row(len(stream), step.final_observations[env]))
    names, num_written = iter(ordered), 0
    for chunks in late:
        some = [next(names) for _ in chunks.places]
        values = np.array([1 + 100 * env + row.number for env, row in some])
        found = {"search_values": values, "judged_at": np.ones(len(some), np.int64)}
        num_written += twin.replay.judge(chunks, found)
    still_held = [(env, row) for env, row in ordered if row in twin.held(env)]
    assert num_written == len(still_held) < len(ordered)
    check_written(twin, still_held)


def test_what_older_weights_have_found_is_not_written_over_what_newer_ones_have() -> None:
    twin = random_twin(capacity=50)
    (chunks,) = twin.replay.to_judge(9, before=1, context_steps=2, rows_at_once=9)
    before, after = np.full(9, 3), np.array([2, 3, 4] * 3)
    assert twin.replay.judge(chunks, {"search_values": np.full(9, 30.0), "judged_at": before}) == 9
    assert twin.replay.judge(chunks, {"search_values": np.full(9, 40.0), "judged_at": after}) == 3
    arrays, found = twin.replay.state_arrays(), {}
    for place, number in zip(chunks.places.tolist(), after.tolist(), strict=True):
        env, slot = divmod(place, twin.capacity)
        held = tuple(arrays[f"{name}.{env}"][slot] for name in ("search_values", "judged_at"))
        found.setdefault(number, set()).add(held)
    assert found == {2: {(30, 3)}, 3: {(30, 3)}, 4: {(40, 4)}}
