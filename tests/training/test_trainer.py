"""The loop's own state goes into a checkpoint and comes back; its pace and temperature follow the schedule."""

from dataclasses import replace

import pytest
from tests.training.samples import NUM_ENVS, tiny_config

from kvzero.agent import newest_checkpoint
from kvzero.errors import ConfigError
from kvzero.reports import MetricsLog
from kvzero.training import RunConfig, Trainer

STEP = 1


class Silent:
    """Listens, and lets nothing out."""

    def update(self, env_steps, *, updates, figures=None):
        pass


def stopped_after(config: RunConfig, run, num_asks: int) -> Trainer:
    """Return a trainer that was told to stop when it asked for the `num_asks`th time."""
    asks = iter(range(1, 10_000))
    trainer = Trainer(config, run, Silent())
    result = trainer.run(lambda: next(asks) >= num_asks)
    trainer.close()
    assert not result.is_finished
    assert result.eval_returns == []
    return trainer


@pytest.mark.usefixtures("own_random_state")
def test_counters_and_random_states_come_back_and_running_episodes_are_ended(tmp_path):
    config = tiny_config(tmp_path, replay_ratio=0.3)
    first = stopped_after(config, tmp_path, 40)
    assert 0 < first._updates_owed % 1 < 1
    second = Trainer(config, tmp_path, Silent(), resume_from=newest_checkpoint(tmp_path))
    second.close()
    assert second.env_steps == first.env_steps > 12
    assert second._updates_owed == first._updates_owed
    assert second._learner.num_updates == first._learner.num_updates > 0
    assert second._rng.random(5).tolist() == first._rng.random(5).tolist()
    assert second.seconds > second._seconds_before > 0
    arrays, before = second._replay.state_arrays(), first._replay.state_arrays()
    assert any(before[f"kinds.{env}"][-1] == STEP for env in range(NUM_ENVS))
    assert all(arrays[f"kinds.{env}"][-1] != STEP for env in range(NUM_ENVS))
    assert len(second._replay) < len(first._replay)


@pytest.mark.usefixtures("own_random_state")
def test_updates_that_a_stopped_sitting_owed_are_made_up_for_even_at_the_end_of_the_run(tmp_path):
    config = tiny_config(tmp_path, replay_ratio=0.5, round_env_steps=40)
    first = Trainer(config, tmp_path, Silent())
    first.run(lambda: first._learner.num_updates >= 3)
    first.close()
    owed = int(first._updates_owed)
    assert (first.env_steps, owed > 1) == (40, True)
    second = Trainer(config, tmp_path, Silent(), resume_from=newest_checkpoint(tmp_path))
    result = second.run(lambda: False)
    second.close()
    assert result.updates == 3 + owed


def test_a_resumed_run_meets_new_episodes_rather_than_those_it_began_with(tmp_path):
    config = tiny_config(tmp_path)
    first = stopped_after(config, tmp_path, 30)
    second = Trainer(config, tmp_path, Silent(), resume_from=newest_checkpoint(tmp_path))
    second.close()
    assert second._env_seed != first._env_seed


def test_time_that_was_logged_after_the_checkpoint_was_written_counts_and_what_a_kill_threw_away_does_not(tmp_path):
    config = tiny_config(tmp_path)
    first = stopped_after(config, tmp_path, 30)
    with MetricsLog(tmp_path) as log:
        log.write(first.env_steps - 1, {"wall_seconds": 0.1})
        log.write(first.env_steps, {"eval_return_mean": 1.0, "wall_seconds": 1000.0})
        log.write(first.env_steps + 1, {"wall_seconds": 5000.0})
    second = Trainer(config, tmp_path, Silent(), resume_from=newest_checkpoint(tmp_path))
    second.close()
    assert 1000 < second.seconds < 2000


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(None, [1.0, 0.6, 0.2, 0.2, 0.2]), (10, [1.0, 0.2, 0.2, 0.2, 0.2]), (80, [1, 0.9, 0.8, 0.7, 0.6])],
)
def test_the_temperature_falls_linearly_to_the_middle_of_the_run_or_for_as_long_as_is_asked(tmp_path, steps, expected):
    schedule = {"first_temperature": 1.0, "final_temperature": 0.2, "temperature_env_steps": steps}
    trainer = Trainer(tiny_config(tmp_path, **schedule), tmp_path, Silent())
    trainer.close()
    temperatures = []
    for env_steps in (0, 10, 20, 30, 40):
        trainer._env_steps = env_steps
        temperatures.append(trainer._temperature())
    assert temperatures == pytest.approx(expected)


def test_a_replay_without_room_for_an_environment_is_refused(tmp_path):
    config = tiny_config(tmp_path)
    with pytest.raises(ConfigError, match="replay_capacity 3"):
        Trainer(replace(config, replay=replace(config.replay, replay_capacity=3)), tmp_path, Silent())


def test_rounds_that_are_asked_for_one_by_one_are_those_of_a_whole_run(tmp_path):
    config = tiny_config(tmp_path, eval_every=40, log_every=40, final_eval_episodes=1)
    whole = Trainer(config, tmp_path / "whole", Silent())
    whole.run(lambda: False)
    whole.close()
    sliced = Trainer(config, tmp_path / "sliced", Silent())
    rounds = []
    while sliced.env_steps < 40:
        rounds.append(sliced.advance(lambda: False))
    sliced.save()
    sliced.close()
    assert [each.num_env_steps for each in rounds] == [4] * 10
    assert sum(each.num_updates for each in rounds) == whole._learner.num_updates == 7
    assert [each.num_updates for each in rounds[:4]] == [0, 0, 0, 1]
    assert all(each.collect_seconds > 0 for each in rounds)
    assert sum(each.update_seconds for each in rounds[3:]) > sum(each.update_seconds for each in rounds[:3])
    ended = [episode for each in rounds for episode in each.episodes]
    assert all(3 <= episode.num_steps <= 6 for episode in ended)
    assert sliced.measure()["train_return"] == pytest.approx(sum(e.raw_return for e in ended) / len(ended))
    assert "train_return" not in sliced.measure()
    assert checkpointed(tmp_path / "sliced") == checkpointed(tmp_path / "whole")


def checkpointed(run):
    return [(newest_checkpoint(run) / f"{name}.safetensors").read_bytes() for name in ("weights", "optimizer")]
