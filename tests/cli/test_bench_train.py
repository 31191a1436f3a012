"""`kvzero bench train` tells where the time of a step and of an update goes, and no time is lost or counted twice."""

import json
from dataclasses import replace

import pytest
from tests.training.samples import continuous_config, tiny_config
from torch import nn

from kvzero.cli.bench.parts import Parts, time_encoder, timed
from kvzero.cli.bench.training import TrainBench, measure_training


class Clock:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_part_inside_another_is_not_counted_twice(clock):
    parts = Parts(clock=clock)
    with timed(parts, "outer"):
        clock.seconds += 1
        with timed(parts, "inner"):
            clock.seconds += 10
        clock.seconds += 100
    clock.seconds += 1000
    with timed(parts, "inner"):
        clock.seconds += 20
    assert parts.seconds == {"outer": 101, "inner": 30}


def test_marks_cut_time_into_parts_that_follow_each_other(clock):
    parts = Parts(clock=clock)
    clock.seconds += 7
    parts.clear()
    for part, seconds in (("one", 1), ("two", 2), ("one", 4)):
        clock.seconds += seconds
        parts.mark(part)
    assert parts.seconds == {"one": 5, "two": 2}
    found = parts.milliseconds(("one", "two", "never"), total_seconds=10.0, count=4)
    assert found == {"one": 1250, "two": 500, "never": 0, "rest": 750}


def test_the_device_is_waited_for_before_the_clock_is_read(clock):
    def arrive() -> None:
        clock.seconds += 5

    parts = Parts(clock=clock, synchronise=arrive)
    with timed(parts, "part"):
        pass
    assert parts.seconds == {"part": 5}


def test_an_encoder_is_timed_inside_the_block_only(clock):
    class Slow(nn.Module):
        def forward(self, number):
            clock.seconds += number
            return number

    encoder, parts = Slow(), Parts(clock=clock)
    with time_encoder(encoder, parts), timed(parts, "roots"):
        encoder(3)
        clock.seconds += 1
    encoder(100)
    assert parts.seconds == {"encode": 3, "roots": 1}


@pytest.mark.parametrize("make_config", [tiny_config, continuous_config])
def test_all_parts_of_a_tiny_run_are_measured_and_add_up(tmp_path, make_config):
    run = make_config(tmp_path)
    figures = measure_training(TrainBench(num_steps=4, num_updates=2), run)
    steps, updates = figures.step_milliseconds, figures.update_milliseconds
    assert list(steps) == ["environment", "encode", "roots", "search", "replay", "rest"]
    assert list(updates) == ["sample", "targets", "forward", "backward", "optimiser", "ema", "rest"]
    assert all(value > 0 for name, value in {**steps, **updates}.items() if name != "rest")
    assert sum(steps.values()) == pytest.approx(1000 * run.env.num_envs / figures.env_steps_per_second, rel=0.02)
    assert sum(updates.values()) == pytest.approx(1000 / figures.updates_per_second, rel=0.02)
    seconds = 1 / figures.env_steps_per_second + run.schedule.replay_ratio / figures.updates_per_second
    assert figures.training_env_steps_per_second == pytest.approx(1 / seconds, rel=0.02)


def test_a_run_that_updates_never_is_as_fast_as_its_collecting(tmp_path):
    run = tiny_config(tmp_path)
    idle = replace(run, schedule=replace(run.schedule, replay_ratio=0.0))
    figures = measure_training(TrainBench(num_steps=2, num_updates=1), idle)
    assert figures.training_env_steps_per_second == figures.env_steps_per_second


def test_the_command_prints_tables_or_json(command, tmp_path, monkeypatch):
    monkeypatch.setattr("kvzero.cli.bench.train.preset", lambda name: tiny_config(tmp_path))
    flags = ("--num-steps", 2, "--num-updates", 1)
    said = command("bench", "train", *flags)
    assert said.status == 0
    assert all(f" {part} " in said.out for part in ("environment", "search", "backward", "ema"))
    said = command("bench", "train", *flags, "--json", "--out", tmp_path / "train.json")
    found = json.loads(said.out)
    assert json.loads((tmp_path / "train.json").read_text(encoding="utf-8")) == found
    assert found["config"]["preset"] == "cartpole"
    assert set(found["step_milliseconds"]) >= {"environment", "encode", "roots", "search", "replay"}


@pytest.mark.parametrize(
    ("words", "part"),
    [(["--preset", "pong"], "'pong'"), (["--num-steps", 0], "num_steps is 0"), (["--num-threads", 0], "num_threads")],
)
def test_bad_input_is_refused(command, words, part):
    said = command("bench", "train", *words)
    assert said.status == 2
    assert part in said.err
