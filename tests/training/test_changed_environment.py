"""An environment that has changed since training is refused, with what it was and what it is."""

import re
import shutil

import gymnasium
import pytest
from tests.training import environments
from tests.training.environments import FartherReach, Ladder, Mixed, Reach, Taller, Wider
from tests.training.samples import continuous_config

import kvzero
from kvzero.errors import CheckpointError, ConfigError

LADDER = "observations of shape (5,) and 3 actions"
REACH = "observations of shape (5,) and actions of 2 numbers in (-2.0, 2.0), (0.0, 1.0)"
CHANGES = [
    ("Ladder", Taller, "observations of shape (6,) and 3 actions", LADDER),
    ("Ladder", Wider, "observations of shape (5,) and 4 actions", LADDER),
    ("Ladder", Reach, REACH, LADDER),
    ("Reach", Ladder, LADDER, REACH),
    ("Reach", FartherReach, "actions of 2 numbers in (-2.0, 2.0), (0.0, 2.0)", REACH),
]
"""What was trained in, what it became, and what is said of both."""


@pytest.fixture(scope="module")
def runs(trained_run, tmp_path_factory):
    reach = kvzero.train(continuous_config(tmp_path_factory.mktemp("reach"), run_name="reach")).run
    return {"Ladder": trained_run, "Reach": reach}


def refusal(now, then):
    return pytest.raises(CheckpointError, match=f"{re.escape(now)}, but .* was trained with {re.escape(then)}")


@pytest.mark.parametrize(("name", "became", "now", "then"), CHANGES)
@pytest.mark.usefixtures("no_pictures")
def test_a_changed_environment_is_neither_played_nor_trained_on(runs, tmp_path, monkeypatch, name, became, now, then):
    run = shutil.copytree(runs[name], tmp_path / "run")
    monkeypatch.setattr(environments, name, became)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with refusal(now, then):
        kvzero.evaluate_run(run, num_episodes=1, device="cpu")
    with refusal(now, then):
        kvzero.resume(run, total_env_steps=60)
    with refusal(now, then):
        kvzero.Agent.load(run, env=became())
    assert {path: path.read_bytes() for path in before} == before


def test_an_agent_is_loaded_for_an_environment_like_its_own_wrapped_or_several_of_it(runs):
    for env in (Ladder(), gymnasium.wrappers.TimeLimit(Ladder(), 9)):
        assert kvzero.Agent.load(runs["Ladder"], env=env).network.spec.num_actions == 3
    several = gymnasium.vector.SyncVectorEnv([Ladder, Ladder])
    assert kvzero.Agent.load(runs["Ladder"], env=several, num_envs=2).num_envs == 2
    with refusal(REACH, LADDER):
        kvzero.Agent.load(runs["Ladder"], env=gymnasium.vector.SyncVectorEnv([Reach]))


def test_an_environment_whose_spaces_are_not_played_is_refused(runs):
    with pytest.raises(ConfigError, match=r"observation\['eye'\]"):
        kvzero.Agent.load(runs["Ladder"], env=Mixed())
