"""Who plays in a cluster plays what the run itself would, once for each evaluation, and says what it cannot do."""

from dataclasses import replace

import pytest
from tests.training.samples import SPEC, tiny_config, tiny_learner

from kvzero import EnvConfig
from kvzero.errors import ConfigError
from kvzero.training.distributed.refusals import Refusal
from kvzero.training.session.evaluation import play_evaluation
from kvzero.training.session.player import DueEvaluation
from kvzero.training.session.player_actor import RemotePlayer


@pytest.mark.parametrize("is_filmed", [False, True])
def test_the_games_are_those_of_the_same_network_here_and_are_played_once(tmp_path, is_filmed):
    config, network = tiny_config(tmp_path, film_evaluations=is_filmed), tiny_learner().network
    due = DueEvaluation.of(network, env_steps=20, discount=0.9)
    far = RemotePlayer(config, SPEC)
    found = far.play(due)
    wanted = play_evaluation(
        config,
        network,
        env_steps=20,
        discount=0.9,
        folder=tmp_path,
        on_step=lambda: None,
        should_stop=lambda: False,
        results=None,
    )
    assert found.evaluation.games == wanted.games
    assert far.play(due) is found
    assert far.play(DueEvaluation.of(network, env_steps=30, discount=0.9)) is not found
    assert (found.video is not None) == is_filmed
    if is_filmed:
        assert b"ftyp" in found.video[:16]


def test_what_it_cannot_go_on_from_is_refused_with_its_host(tmp_path):
    config = replace(tiny_config(tmp_path), env=EnvConfig(env_id="Nowhere-v0", num_envs=2))
    refusal = RemotePlayer(config, SPEC).play(DueEvaluation.of(tiny_learner().network, env_steps=20, discount=0.9))
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, ConfigError)
    assert refusal.host
