"""A new field is one line in the table: it goes in, through ring and checkpoint, and out in a batch on the device."""

import numpy as np
import pytest
import torch
from tests.training.samples import MODEL, NUM_ENVS, SPEC, random_step, tiny_learner

from kvzero import AgentConfig, ReplayConfig
from kvzero.errors import EnvError
from kvzero.replay import Field, Replay, StepBatch, build_row_spec
from kvzero.training.learning.targets import to_device
from kvzero.training.storage import Progress, load_checkpoint, save_checkpoint

TABLE = {**build_row_spec(SPEC), "moods": Field(np.float32, (5,), blank=-1, bounds=(0.0, 9.0))}
PROGRESS = Progress(env_steps=8, updates_owed=0.0, evaluated_at=0, seconds=1.0, search_rng={})


def new_replay() -> Replay:
    return Replay(ReplayConfig(replay_capacity=60), TABLE, num_envs=NUM_ENVS, seed=0)


def moody(step: StepBatch, first: float) -> StepBatch:
    """Return a step of ongoing episodes, whose moods are 5 equal numbers per environment, all different."""
    moods = np.repeat(first + np.arange(NUM_ENVS)[:, None] / 10, 5, axis=1)
    nothing = np.zeros(NUM_ENVS, bool)
    return StepBatch(
        fields={**step.fields, "moods": moods},
        terminated=nothing,
        truncated=nothing,
        final_observations=step.final_observations,
    )


def test_a_new_field_reaches_the_device_through_a_checkpoint(tmp_path):
    rng, replay, learner = np.random.default_rng(0), new_replay(), tiny_learner()
    for time in range(4):
        replay.add(moody(random_step(rng), time))
    replay.end_running_episodes()
    folder = save_checkpoint(tmp_path, learner, replay, PROGRESS, agent=AgentConfig(model=MODEL), keep=1)
    resumed = new_replay()
    load_checkpoint(folder, learner, resumed)
    unroll = to_device(resumed.sample(64, num_steps=5), torch.device("cpu"))
    moods = unroll.fields["moods"]
    assert (moods.shape, moods.dtype) == ((64, 6, 5), torch.float32)
    seen = set()
    for row, first in enumerate(moods[:, 0, 0].tolist()):
        steps = [first + time for time in range(int(unroll.ends[row]))]
        wanted = torch.tensor(steps + [-1.0] * (6 - len(steps)))  # end row and padding are blank
        torch.testing.assert_close(moods[row], wanted[:, None].expand(6, 5))
        seen.add(round(first, 1))
    assert seen == {0.0, 0.1, 1.0, 1.1, 2.0, 2.1}


@pytest.mark.parametrize(
    ("moods", "words"),
    [
        (np.zeros((NUM_ENVS, 4)), "moods have shape"),
        (np.zeros((NUM_ENVS, 5), np.int64), "moods are int64; give floats"),
        (np.full((NUM_ENVS, 5), np.nan), "moods of environment 0 hold NaN"),
        (np.full((NUM_ENVS, 5), 9.5), "moods of environment 0 hold 9.5; give numbers from 0 to 9"),
    ],
)
def test_a_new_field_is_checked_when_it_comes_in(moods, words):
    step = moody(random_step(np.random.default_rng(0)), 0)
    broken = StepBatch(
        fields={**step.fields, "moods": moods},
        terminated=step.terminated,
        truncated=step.truncated,
        final_observations=step.final_observations,
    )
    with pytest.raises(EnvError, match=words):
        new_replay().add(broken)
