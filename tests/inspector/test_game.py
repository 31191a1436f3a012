"""A game that is inspected is the one that an evaluation plays, kept whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kvzero
from kvzero.errors import CheckpointError, ConfigError, DeviceError, RunError
from kvzero.inspector import Game, inspect_run

Play = Callable[[str], Game]


@pytest.mark.parametrize("kind", ["cartpole", "pendulum", "memory"])
def test_every_step_has_the_search_whose_action_was_played(kind: str, game_of: Play) -> None:
    game = game_of(kind)
    episode, length = game.episode, len(game.records)
    assert len(episode.rewards) == len(episode.actions) == len(episode.observations) - 1 == length > 3
    for step, (record, action) in enumerate(zip(game.records, episode.actions, strict=True)):
        np.testing.assert_array_equal(record.action, action)
        assert record.num_tokens == 2 * step + 1
        assert record.predicted_values[0] == pytest.approx(episode.values[step], abs=1e-5)
    assert sum(episode.rewards) == pytest.approx(game.total * game.env.reward_scale, rel=1e-5)


def test_it_is_the_game_of_an_evaluation(run_of: Callable[[str], Path]) -> None:
    run = run_of("cartpole")
    game = inspect_run(run, seed=5, device="cpu", max_steps=30, num_foreseen=1)
    assert [game.total] == kvzero.evaluate_run(run, num_episodes=1, seed=5, device="cpu").returns
    assert game.episode.is_terminated != game.is_cut
    assert game.checkpoint.parent.parent == run


def test_a_game_is_cut_off_and_searched_as_asked(run_of: Callable[[str], Path]) -> None:
    game = inspect_run(run_of("pendulum"), max_steps=3, num_simulations=4, device="cpu")
    assert (len(game.records), game.is_cut) == (3, True)
    assert len(game.records[0].parents) == 5
    assert game.foresight.rewards.shape == (3, 3)


def test_a_checkpoint_is_chosen_by_name(run_of: Callable[[str], Path]) -> None:
    run = run_of("cartpole")
    name = inspect_run(run, max_steps=1, device="cpu").checkpoint.name
    assert inspect_run(run, checkpoint=name, max_steps=1, device="cpu").checkpoint == run / "checkpoints" / name
    with pytest.raises(RunError, match=f"no checkpoint '../x'; choose one of .*{name}"):
        inspect_run(run, checkpoint="../x")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"max_steps": 0}, ConfigError),
        ({"num_foreseen": 0}, ConfigError),
        ({"num_simulations": 0}, ConfigError),
        ({"seed": -1}, ConfigError),
        ({"device": "cuda:7"}, DeviceError),
    ],
)
def test_what_cannot_be_played_is_refused(
    run_of: Callable[[str], Path], change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        inspect_run(run_of("cartpole"), **{"device": "cpu"} | change)


def test_an_environment_that_has_changed_is_refused(
    run_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kvzero.inspector import game as module  # noqa: PLC0415  # the façade has a class of that name

    config = module.read_config(run_of("cartpole"))
    changed = replace(config, env=replace(config.env, env_id="MountainCar-v0"))
    monkeypatch.setattr(module, "read_config", lambda _: changed)
    with pytest.raises(CheckpointError, match="was trained with"):
        inspect_run(run_of("cartpole"), device="cpu")
