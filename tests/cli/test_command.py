"""The command that is told of a run makes the same run again."""

import shlex
from dataclasses import replace

import pytest

from kvzero.cli.command import train_command
from kvzero.cli.train import parse_run
from kvzero.recipes import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_own_command(name):
    assert train_command(preset(name)) == f"kvzero train {name}"


def test_every_kind_of_setting_comes_back():
    config = preset("cartpole")
    env = replace(config.env, env_kwargs={"size": 8, "name": "a b", "walls": [[1, 2]]}, num_env_workers=2)
    cache = replace(config.agent.cache, init_pool_bounds=(2, 9), key_mode="latent")
    agent = replace(config.agent, store="pooled", engine="eager", cache=cache, num_eval_simulations=7)
    schedule = replace(config.schedule, final_temperature=0.125, max_eval_steps=99)
    config = replace(config, seed=3, sinks=(), env=env, agent=agent, schedule=schedule)
    words = shlex.split(train_command(replace(config, runs_dir="elsewhere", run_name="mine", monitor="9100")))
    assert words[:3] == ["kvzero", "train", "cartpole"]
    assert parse_run("cartpole", words[3:]) == config


def test_a_setting_that_was_taken_away_comes_back():
    config = preset("minatar")
    config = replace(config, schedule=replace(config.schedule, max_eval_steps=None))
    words = shlex.split(train_command(config))
    assert words[3:] == ["--max-eval-steps", "None"]
    assert parse_run("minatar", words[3:]) == config


def test_a_preset_of_another_version_has_no_command():
    assert train_command(replace(preset("cartpole"), preset="forgotten")) == ""
