"""Where the time of a step and of an update goes is measured whole."""

from dataclasses import replace

import pytest
from tests.training.samples import continuous_config, tiny_config

from kvzero import ReanalysisConfig
from kvzero.bench.training import TrainBench, measure_training


def reanalysing_config(runs_dir):
    return replace(tiny_config(runs_dir), reanalysis=ReanalysisConfig(reanalysed_rows=3))


@pytest.mark.parametrize("make_config", [tiny_config, continuous_config, reanalysing_config])
def test_all_parts_of_a_tiny_run_are_measured_and_add_up(tmp_path, make_config):
    run = make_config(tmp_path)
    figures = measure_training(TrainBench(num_steps=4, num_updates=2), run)
    steps, updates = figures.step_milliseconds, figures.update_milliseconds
    assert list(steps) == ["environment", "encode", "roots", "search", "replay", "rest"]
    own = ["reanalysis"] if run.reanalysis.reanalysed_rows else []
    assert list(updates) == ["sample", "bring", "targets", "forward", "backward", "optimiser", "ema", *own, "rest"]
    assert all(value > 0 for name, value in {**steps, **updates}.items() if name != "rest")
    assert sum(steps.values()) == pytest.approx(1000 * run.env.num_envs / figures.env_steps_per_second, rel=0.02)
    assert sum(updates.values()) == pytest.approx(1000 / figures.updates_per_second, rel=0.02)
    seconds = 1 / figures.env_steps_per_second + run.schedule.replay_ratio / figures.updates_per_second
    assert figures.training_env_steps_per_second == pytest.approx(1 / seconds, rel=0.02)
    assert 0 < figures.step_device_idle_share < 1
    assert 0 < figures.update_device_idle_share < 1


def test_a_run_that_updates_never_is_as_fast_as_its_collecting(tmp_path):
    run = tiny_config(tmp_path)
    idle = replace(run, schedule=replace(run.schedule, replay_ratio=0.0))
    figures = measure_training(TrainBench(num_steps=2, num_updates=1), idle)
    assert figures.training_env_steps_per_second == figures.env_steps_per_second
