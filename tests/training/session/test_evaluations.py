"""An evaluation is due once in every stretch of the run, also if a session before had to leave it out."""

import pytest
from tests.training.samples import tiny_config, tiny_learner

from kvzero.training.session.evaluations import Evaluations


def evaluations(tmp_path, *, evaluated_at=0, **schedule) -> Evaluations:
    return Evaluations(tiny_config(tmp_path, **schedule), tiny_learner(), evaluated_at=evaluated_at)


@pytest.mark.parametrize(
    ("evaluated_at", "env_steps", "is_due"),
    [(0, 19, False), (0, 20, True), (0, 26, True), (20, 26, False), (26, 39, False), (39, 40, False), (0, 44, False)],
)
def test_it_is_due_when_a_multiple_of_its_pace_was_passed_and_the_run_is_not_over(
    tmp_path, evaluated_at, env_steps, is_due
):
    assert evaluations(tmp_path, evaluated_at=evaluated_at).is_due(env_steps) == is_due


@pytest.mark.parametrize(("env_steps", "num_games"), [(20, 2), (40, 3)])
def test_the_last_one_has_games_of_its_own_number_and_each_is_remembered(tmp_path, env_steps, num_games):
    played, steps = evaluations(tmp_path), []
    evaluation = played.play(env_steps, folder=tmp_path, on_step=lambda: steps.append(1), should_stop=lambda: False)
    assert played.evaluated_at == env_steps
    assert evaluation.figures["eval_episodes"] == num_games == len(evaluation.games.returns)
    assert len(steps) > 2


def test_one_that_was_stopped_is_still_due(tmp_path):
    played = evaluations(tmp_path)
    assert played.play(20, folder=tmp_path, on_step=lambda: None, should_stop=lambda: True) is None
    assert played.is_due(20)


def test_a_filmed_one_leaves_a_video_of_its_games_and_they_are_the_same_games(tmp_path):
    played = [
        evaluations(tmp_path, film_evaluations=is_filmed).play(
            20, folder=tmp_path, on_step=lambda: None, should_stop=lambda: False
        )
        for is_filmed in (True, False)
    ]
    assert played[0].video == tmp_path / "videos" / "step0000000020.mp4"
    assert b"ftyp" in played[0].video.read_bytes()[:16]
    assert played[1].video is None
    assert played[0].games == played[1].games
