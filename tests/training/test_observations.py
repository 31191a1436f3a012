"""Runs on whatever an environment shows: it is kept as it is, and seen again when a run goes on or is played."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.training.samples import tiny_config

import kvzero
from kvzero import EnvConfig, ModelConfig, RunConfig
from kvzero.agent import newest_checkpoint
from kvzero.envs import make_environments
from kvzero.errors import CheckpointError


def config_of(folder: Path, environment: str) -> RunConfig:
    """Return a tiny run whose model has no setting that some of the environments here have no use for."""
    config = tiny_config(folder, run_name="a", environment=environment)
    model = replace(config.agent.model, encoder_width=ModelConfig().encoder_width)
    return replace(config, agent=replace(config.agent, model=model))


def kept(run: Path) -> np.ndarray:
    """Return what environment 0 showed."""
    return load_file(newest_checkpoint(run) / "replay.safetensors")["observations.0"]


def played(run: Path) -> list[float]:
    return kvzero.evaluate_run(run, num_episodes=2, device="cpu").returns


@pytest.mark.parametrize(
    ("environment", "dtype", "shape"),
    [("Planes", np.bool_, (2, 6, 7)), ("Heights", np.float32, (1, 6, 7)), ("Parts", np.float32, (7 + 3 + 3,))],
)
def test_a_run_keeps_what_was_shown_and_goes_on_with_it(tmp_path, environment, dtype, shape):
    run = kvzero.train(config_of(tmp_path, environment)).run
    observations = kept(run)
    assert (observations.dtype, observations.shape[1:]) == (dtype, shape)
    assert (observations != observations[0]).any()
    assert len(played(run)) == 2
    assert kvzero.resume(run, total_env_steps=48).summary.env_steps == 48


def test_a_checkpoint_of_flags_refuses_an_environment_of_numbers(tmp_path):
    run = kvzero.train(config_of(tmp_path, "Planes")).run
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace("environments:Planes", "environments:Bytes"))
    with pytest.raises(CheckpointError, match=r"has observations of shape \(2, 6, 7\) and 3 .* \(2, 6, 7\) in flags"):
        played(run)


def test_a_worker_hands_on_flags_as_flags():
    shown = []
    for num_workers in (0, 1):
        config = EnvConfig(env_id="tests.training.environments:Planes", num_env_workers=num_workers)
        envs = make_environments(config, num_envs=2, training=True)
        envs.reset(seed=3)
        shown.append(envs.step(np.array([1, 2])).observations)
        envs.close()
    assert shown[0].dtype == shown[1].dtype == np.bool_
    np.testing.assert_array_equal(shown[0], shown[1])


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1"])
def test_tables_and_cards_are_learnt_from(tmp_path, env_id):
    config = tiny_config(tmp_path, max_eval_steps=40)
    config = replace(config, env=replace(config.env, env_id=env_id))
    assert kvzero.train(config).summary.updates == 7
