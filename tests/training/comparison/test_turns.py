"""What a run in turns is asked for it does as a trainer would, and it measures what it did."""

import contextlib
from dataclasses import replace

import pytest
from tests.training.samples import tiny_config

from kvzero.agent import newest_checkpoint
from kvzero.errors import ConfigError
from kvzero.reports import read_metrics
from kvzero.training.comparison.turns import Job, RunInTurns

pytestmark = pytest.mark.usefixtures("own_random_state")


def never():
    return False


@pytest.fixture
def job(tmp_path) -> Job:
    config = tiny_config(tmp_path, run_name="one")
    return Job(name="one", config=config, folder=tmp_path / "one", log=tmp_path / "one.log", num_threads=1)


def test_turns_add_up_to_a_run_with_its_metrics_and_checkpoint(job):
    with contextlib.closing(RunInTurns(job)) as run:
        first = run.advance(never, lap=0, position=1, env_steps=18)
        second = run.advance(never, lap=1, position=0, env_steps=40)
        saved = run.save()
    assert (first.turn.lap, first.turn.position, first.turn.env_steps, first.turn.num_env_steps) == (0, 1, 20, 20)
    assert (second.turn.env_steps, second.turn.num_env_steps) == (40, 20)
    assert (first.turn.num_updates, second.turn.num_updates) == (2, 5)
    assert first.turn.seconds == first.turn.collect_seconds + first.turn.update_seconds > 0
    assert 0 < second.turn.rss_bytes <= second.turn.peak_rss_bytes
    assert (first.is_whole, second.is_whole) == (True, True)
    curve = [*first.curve, *second.curve]
    assert [line["env_steps"] for line in curve] == list(range(4, 44, 4))
    logged = read_metrics(job.folder)
    assert [line["loss"] for line in logged if "loss" in line] == [
        pytest.approx(line["loss"], rel=1e-8) for line in curve if "loss" in line
    ]
    games = [*first.games, *second.games]
    assert all(3 <= game.num_steps <= 6 for game in games)
    assert [game.env_steps for game in games] == sorted(game.env_steps for game in games)
    assert saved == newest_checkpoint(job.folder)


def test_a_turn_ends_early_when_told_and_the_run_goes_on(job):
    asks = iter(range(100))
    with contextlib.closing(RunInTurns(job)) as run:
        cut = run.advance(lambda: next(asks) >= 4, lap=0, position=0, env_steps=40)
        rest = run.advance(never, lap=0, position=0, env_steps=40)
    assert (cut.is_whole, rest.is_whole) == (False, True)
    assert 0 < cut.turn.env_steps < 40
    assert cut.turn.num_env_steps + rest.turn.num_env_steps == 40


def test_a_turn_that_was_stopped_in_its_last_updates_is_not_whole(job):
    schedule = replace(job.config.schedule, replay_ratio=0.5, round_env_steps=40)
    with contextlib.closing(RunInTurns(replace(job, config=replace(job.config, schedule=schedule)))) as run:
        cut = run.advance(lambda: run._trainer.num_updates >= 3, lap=0, position=0, env_steps=40)
    assert (cut.turn.env_steps, cut.turn.num_updates, cut.is_whole) == (40, 3, False)


def test_a_turn_that_is_over_before_it_begins_measures_nothing(job):
    with contextlib.closing(RunInTurns(job)) as run:
        run.advance(never, lap=0, position=0, env_steps=4)
        again = run.advance(never, lap=1, position=0, env_steps=4)
    assert (again.turn.num_env_steps, again.turn.seconds, again.curve) == (0, 0, ())


def test_streams_and_plans_are_written_where_they_are_wanted(job, trained_run, tmp_path):
    checkpoint = newest_checkpoint(trained_run)
    with contextlib.closing(RunInTurns(job)) as run:
        run.record_stream(checkpoint, tmp_path / "stream")
        run.plan_stream(tmp_path / "stream", checkpoint, tmp_path / "plans", "float64")
    assert (tmp_path / "stream").exists()
    assert (tmp_path / "plans").exists()


def test_a_config_that_cannot_work_leaves_no_folder(job):
    config = replace(job.config, replay=replace(job.config.replay, replay_capacity=3))
    with pytest.raises(ConfigError, match="replay_capacity 3"):
        RunInTurns(replace(job, config=config))
    assert not job.folder.exists()
