"""The agent of a run on disk plays."""

import pytest
from tests.training import environments
from tests.training.environments import Ladder

import kvzero
from kvzero.errors import ConfigError, DeviceError, RunError


def test_a_run_plays_as_many_games_as_asked_and_the_same_twice(trained_run):
    played = kvzero.evaluate_run(trained_run, num_episodes=3, seed=4)
    assert (len(played.returns), played.num_cut) == (3, 0)
    assert played.checkpoint.name == "step_0000000040_0000000007"
    assert kvzero.evaluate_run(trained_run, num_episodes=3, seed=4) == played


@pytest.mark.parametrize("num_episodes", [1, 20])
def test_a_frame_is_given_for_every_step_of_environment_0_and_none_once_it_has_played(trained_run, num_episodes):
    frames, speeds = [], []

    def show(frame, frames_per_second):
        frames.append(frame)
        speeds.append(frames_per_second)

    kvzero.evaluate_run(trained_run, num_episodes=num_episodes, seed=1, on_frame=show)
    assert set(speeds) == {30.0}
    assert {frame.shape for frame in frames} == {(20, 30, 3)}
    assert [int(frame[0, 0, 0]) // 20 for frame in frames] == list(range(4))  # others play games of 6 steps


def test_games_that_cannot_be_shown_are_played_all_the_same_and_that_is_told_once(trained_run, caplog):
    shown = []

    def show(frame, frames_per_second):
        shown.append(frame)
        raise ZeroDivisionError("a user's own")

    played = kvzero.evaluate_run(trained_run, num_episodes=2, seed=4, on_frame=show)
    assert played.returns == kvzero.evaluate_run(trained_run, num_episodes=2, seed=4).returns
    assert len(shown) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "what is shown of the games failed (ZeroDivisionError: a user's own); going on without"
    ]


def test_games_of_an_environment_that_cannot_be_made_to_draw_are_played_all_the_same(trained_run, caplog, monkeypatch):
    class Blind(Ladder):
        def __init__(self):
            super().__init__()

    seen = kvzero.evaluate_run(trained_run, num_episodes=2, seed=4)
    monkeypatch.setattr(environments, "Ladder", Blind)
    shown = []
    played = kvzero.evaluate_run(trained_run, num_episodes=2, seed=4, on_frame=lambda *frame: shown.append(frame))
    assert played == seen
    assert not shown
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("what is shown of the games failed (ConfigError: tests.training.environments:Ladder cannot")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"num_episodes": 0}, ConfigError),
        ({"num_simulations": 0}, ConfigError),
        ({"device": "cuda:5"}, DeviceError),
        ({"seed": -1}, ConfigError),
    ],
)
def test_what_cannot_be_played_is_refused(trained_run, change, error):
    with pytest.raises(error):
        kvzero.evaluate_run(trained_run, **({"num_episodes": 1} | change))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=f"holds no checkpoint .* kvzero train --resume {tmp_path}"):
        kvzero.evaluate_run(tmp_path, num_episodes=1)
