"""What a run is made of is built from its config, closed where it cannot be built, and new episodes follow a pause."""

from dataclasses import replace

import numpy as np
import pytest
from tests.training.environments import Ladder
from tests.training.samples import NUM_ENVS, tiny_config

from kvzero import ReanalysisConfig
from kvzero.agent import newest_checkpoint
from kvzero.errors import ConfigError
from kvzero.training import Trainer
from kvzero.training.session.components import build_components

pytestmark = pytest.mark.usefixtures("own_random_state")


def test_a_fresh_run_begins_with_nothing_done(tmp_path):
    components, progress = build_components(tiny_config(tmp_path))
    components.source.envs.close()
    assert (progress.env_steps, progress.updates_owed, progress.evaluated_at, progress.seconds) == (0, 0, 0, 0)
    assert components.source.envs.num_envs == NUM_ENVS
    assert len(components.replay) == components.learner.num_updates == 0


def test_a_resumed_run_meets_new_episodes_rather_than_those_it_began_with(tmp_path, monkeypatch):
    seeds, reset = [], Ladder.reset

    def watched(self, *, seed=None, options=None):
        seeds.append(seed)
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(Ladder, "reset", watched)
    config = tiny_config(tmp_path)
    for resume_from in (None, None, checkpoint_of(config, tmp_path)):
        build_components(config, resume_from=resume_from)[0].close()
    first, again, *_, resumed = np.reshape([seed for seed in seeds if seed is not None], (-1, NUM_ENVS)).tolist()
    assert first == again
    assert not set(first) & set(resumed)


def checkpoint_of(config, run):
    trainer = Trainer(config, run)
    trainer.advance(lambda: False)
    trainer.close()
    return trainer.save()


def test_environments_are_closed_where_the_rest_cannot_be_built(tmp_path, monkeypatch):
    closed = []

    def close(self):
        closed.append(self)

    monkeypatch.setattr(Ladder, "close", close)
    config = tiny_config(tmp_path)
    with pytest.raises(ConfigError, match="replay_capacity 3"):
        build_components(replace(config, replay=replace(config.replay, replay_capacity=3)))
    assert len(closed) == NUM_ENVS


def test_what_is_searched_again_is_built_where_that_is_asked_for_and_goes_on_where_it_was(tmp_path):
    config = tiny_config(tmp_path)
    components, _ = build_components(config)
    components.source.envs.close()
    assert components.reanalyser is None
    config = replace(config, reanalysis=ReanalysisConfig(reanalysed_rows=2))
    trainer = Trainer(config, tmp_path)
    trainer.run(Silent(), lambda: trainer.num_updates >= 2)
    trainer.close()
    served = trainer._components.reanalyser.served_updates
    assert served >= 2
    components, _ = build_components(config, resume_from=newest_checkpoint(tmp_path))
    components.source.envs.close()
    assert components.reanalyser.served_updates == served


class Silent:
    """Listens to nothing."""

    def update(self, env_steps, *, updates, figures=None):
        pass


def test_what_an_environment_shows_and_cannot_be_shifted_is_refused_by_its_name(tmp_path):
    config = tiny_config(tmp_path)
    with pytest.raises(ConfigError, match=r"Ladder: shift_pixels is 1, which has no effect on vectors"):
        build_components(replace(config, learner=replace(config.learner, shift_pixels=1)))
