"""Draws among the newest rows, against rows told apart by when they were written."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.replay.conftest import row_spec_of

from kvzero.errors import ConfigError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, StepBatch

SPEC = EnvSpec(observation_shape=(1,), num_actions=2)
BATCH = 40


def filled(config: ReplayConfig, *, num_envs: int, num_steps: int, end_every: int) -> Replay:
    """Return a replay whose observations are the numbers of the rows of an environment, end rows counted."""
    replay = Replay(config, row_spec_of(SPEC), num_envs=num_envs, seed=0)
    written = np.zeros(num_envs, int)
    for step in range(num_steps):
        ended = np.full(num_envs, step % end_every == end_every - 1)
        replay.add(
            StepBatch(
                fields={
                    "observations": written[:, None].astype(np.float32),
                    "actions": np.zeros(num_envs, np.int64),
                    "rewards": np.zeros(num_envs, np.float32),
                    "policies": np.full((num_envs, 2), 0.5, np.float32),
                },
                terminated=ended,
                truncated=np.zeros(num_envs, bool),
                final_observations=(written + 1)[:, None].astype(np.float32),
            )
        )
        written += 1 + ended
    return replay


@settings(max_examples=60)
@given(
    num_envs=st.integers(1, 3),
    num_steps=st.integers(2, 60),
    end_every=st.integers(2, 9),
    recent_rows=st.integers(1, 60),
    recent_share=st.sampled_from([0.25, 0.5, 1.0]),
    capacity=st.integers(20, 90),
)
def test_a_share_of_each_batch_starts_among_the_newest_rows(
    num_envs, num_steps, end_every, recent_rows, recent_share, capacity
):
    config = ReplayConfig(
        replay_capacity=capacity, sampler="recent", recent_rows=recent_rows, recent_share=recent_share
    )
    replay = filled(config, num_envs=num_envs, num_steps=num_steps, end_every=end_every)
    steps, newest = [], -1  # the numbers of the rows that are steps, and of the one written last, in every environment
    for step in range(num_steps):
        steps.append(newest + 1)
        newest += 1 + (step % end_every == end_every - 1)
    starts = {number for number in steps if newest - capacity // num_envs < number < newest}
    recent = {number for number in starts if number > newest - -(-recent_rows // num_envs)}
    drawn = replay.sample(BATCH, num_steps=1).fields["observations"][:, 0, 0].tolist()
    assert set(drawn) <= starts
    num_recent = sum(number in recent for number in drawn)
    assert num_recent >= (round(recent_share * BATCH) if recent else 0)
    if recent_share == 1 and recent:
        assert num_recent == BATCH


def test_the_rest_of_a_batch_is_drawn_from_all():
    config = ReplayConfig(replay_capacity=400, sampler="recent", recent_rows=10, recent_share=0.5)
    replay = filled(config, num_envs=2, num_steps=100, end_every=200)
    drawn = np.concatenate([replay.sample(BATCH, num_steps=1).fields["observations"][:, 0, 0] for _ in range(50)])
    assert 0.5 <= (drawn >= 95).mean() < 0.56
    assert set(range(99)) == set(drawn.astype(int))


@pytest.mark.parametrize(("progress", "wanted"), [(0.0, 1.0), (0.5, 1.0), (0.75, 0.6), (1.0, 0.2), (1.2, 0.2)])
def test_the_share_moves_in_the_second_half_of_a_run(progress, wanted):
    config = ReplayConfig(
        replay_capacity=4000, sampler="recent", recent_rows=10, recent_share=1.0, recent_final_share=0.2
    )
    replay = filled(config, num_envs=1, num_steps=1000, end_every=2000)
    batches = [replay.sample(BATCH, num_steps=1, progress=progress).fields["observations"] for _ in range(20)]
    assert wanted <= np.mean(np.array(batches)[:, :, 0, 0] >= 990) < wanted + 0.02  # some of the rest are new by chance


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recent_rows": 0}, "recent_rows is 0; give at least 1 row"),
        ({"recent_share": 0.0}, r"recent_share is 0\.0; give a share above 0"),
        ({"recent_share": 1.5}, r"recent_share is 1\.5; give a share above 0"),
        ({"recent_final_share": -0.1}, r"recent_final_share is -0\.1; give a share from 0 to 1"),
        ({"sampler": "uniform", "recent_rows": 9}, "recent_rows would have no effect with sampler=uniform"),
        ({"sampler": "prioritised", "recent_share": 0.1}, "recent_share would have no effect with sampler=prioritised"),
        (
            {"priority_alpha": 0.1},
            "priority_alpha would have no effect with sampler=recent; choose sampler=prioritised",
        ),
    ],
)
def test_settings_of_recency_that_cannot_work_are_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        replace(ReplayConfig(sampler="recent"), **changed)
