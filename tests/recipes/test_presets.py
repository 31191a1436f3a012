"""Every preset is whole: it builds its network, survives JSON, and is what its name says."""

import json

import pytest
import torch

from kvzero import PRESETS, Network, RunConfig, preset
from kvzero.errors import ConfigError
from kvzero.model import Support
from kvzero.records import EnvSpec, structure, unstructure

SPECS = {
    "cartpole": EnvSpec(observation_shape=(4,), num_actions=2),
    "acrobot": EnvSpec(observation_shape=(6,), num_actions=3),
    "lunarlander": EnvSpec(observation_shape=(8,), num_actions=4),
    "atari": EnvSpec(observation_shape=(3, 64, 64), num_actions=6),
    "atari-small": EnvSpec(observation_shape=(2, 64, 64), num_actions=6),
    "pendulum": EnvSpec(observation_shape=(3,), action_dim=1),
    "dmc": EnvSpec(observation_shape=(5,), action_dim=1),
    "dmc-pixels": EnvSpec(observation_shape=(3, 64, 64), action_dim=1),
    "mujoco": EnvSpec(observation_shape=(17,), action_dim=6),
    "minatar": EnvSpec(observation_shape=(4, 10, 10), pixels="flags", num_actions=3),
    "minigrid": EnvSpec(observation_shape=(24, 7, 7), pixels="flags", num_actions=7),
    "toytext": EnvSpec(observation_shape=(16,), num_actions=4),
    "memory": EnvSpec(observation_shape=(4,), num_actions=4),
}


def test_the_presets_are_those_that_are_promised():
    assert list(PRESETS) == list(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_a_preset_knows_its_name_and_says_what_it_is_in_one_line(name):
    assert preset(name).preset == name
    about = (PRESETS[name].__doc__ or "").strip().splitlines()
    assert about[0].endswith(".")
    assert len(f"{name}: {about[0]}") <= 100


@pytest.mark.parametrize("name", SPECS)
def test_a_preset_builds_its_network(name):
    with torch.device("meta"):
        network = Network(preset(name).agent.model, SPECS[name])
    assert sum(weights.numel() for weights in network.parameters()) > 50_000


@pytest.mark.parametrize("name", SPECS)
def test_a_preset_survives_json(name):
    config = preset(name)
    assert structure(json.loads(json.dumps(unstructure(config))), RunConfig) == config


@pytest.mark.parametrize("name", SPECS)
def test_a_preset_fits_together(name):
    config = preset(name)
    assert (
        config.replay.rows_per_env(config.env.num_envs) > config.learner.unroll_steps + config.learner.bootstrap_steps
    )
    assert config.schedule.learning_starts < config.schedule.total_env_steps
    assert config.schedule.eval_every <= config.schedule.total_env_steps


def test_atari_has_the_size_of_lightzeros_unizero():
    config = preset("atari")
    model = config.agent.model
    assert (model.embed_dim, model.num_layers, model.num_heads, model.support_size) == (768, 2, 8, 601)
    assert (config.env.num_envs, config.agent.search.num_simulations, config.agent.num_eval_simulations) == (8, 25, 50)


def test_atari_small_trains_on_every_step_a_hundred_times_and_more():
    config = preset("atari-small")
    assert config.schedule.replay_ratio * config.learner.batch_size * config.learner.unroll_steps >= 100
    assert config.schedule.total_env_steps == 100_000


def test_an_unroll_of_the_memory_task_shows_what_is_to_be_remembered():
    config = preset("memory")
    assert config.learner.unroll_steps >= config.agent.model.context_tokens // 2


def test_an_unknown_preset_is_refused_and_the_known_ones_named():
    with pytest.raises(ConfigError, match=r"'pong'.*cartpole.*atari-small"):
        preset("pong")


@pytest.mark.parametrize("name", ["pendulum", "dmc", "dmc-pixels", "mujoco"])
def test_presets_with_continuous_actions_have_the_weights_of_the_design(name):
    config = preset(name)
    learner = config.learner
    weights = (learner.latent_weight, learner.reward_weight, learner.value_weight, learner.policy_weight)
    assert weights == (10, 0.1, 0.1, 0.1)
    assert config.agent.search.discount == 0.99
    assert config.agent.model.context_tokens >= 16
    returns = torch.tensor([-1000.0, 1000.0])
    support = Support(config.agent.model.support_size)
    torch.testing.assert_close(support.decode(support.encode(returns).log()), returns, rtol=1e-3, atol=0)
