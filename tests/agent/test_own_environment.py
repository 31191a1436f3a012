"""An agent that was loaded with its environment takes what that shows, and gives what that wants."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten
from gymnasium.vector import SyncVectorEnv
from tests.training.environments import ACTIONS, Bytes, Heights, Ladder, Mixed, Parts, Planes, Reach
from tests.training.samples import MODEL, tiny_config, tiny_network

import kvzero
from kvzero import Agent, AgentConfig, ModelConfig, SearchConfig
from kvzero.envs import read_formats
from kvzero.errors import ConfigError, EnvError


class Shifted(Ladder):
    """A ladder whose actions are the numbers from 3 on."""

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Discrete(ACTIONS, start=3)

    def step(self, action):
        assert self.action_space.contains(action)
        return super().step(action - 3)


class Stick(Reach):
    """A reach whose action is one row of two numbers."""

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Box(np.float32([[-2, 0]]), np.float32([[2, 1]]))

    def step(self, action):
        assert self.action_space.contains(action)
        observation, _, *rest = Ladder.step(self, np.int64(0))
        return observation, 0.0, *rest


KINDS = [Ladder, Planes, Bytes, Heights, Parts, Reach, Shifted, Stick]


def as_read(env, observation):
    """Return an observation as the network reads it, by other means than kvzero's."""
    if isinstance(env.observation_space, spaces.Dict):
        return flatten(env.observation_space, observation).astype(np.float32)
    if np.ndim(observation) == 2:
        return observation[None]
    return observation.transpose(2, 0, 1) if np.ndim(observation) == 3 else observation


def agents_of(env, *, num_envs=1):
    """Return an agent that knows its environment, and one of the same weights that does not."""
    formats = read_formats(env)
    model = replace(MODEL, encoder_width=ModelConfig().encoder_width) if formats.spec.is_image else MODEL
    config = AgentConfig(model=model, search=SearchConfig(num_simulations=3))
    network = tiny_network(2, model, formats.spec)
    return Agent(network, config, num_envs=num_envs, formats=formats), Agent(network, config, num_envs=num_envs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_game_is_played_in_the_environments_own_language(kind):
    env = kind()
    knowing, plain = agents_of(env)
    first = env.action_space.start if isinstance(env.action_space, spaces.Discrete) else 0
    observation, _ = env.reset(seed=0)
    is_over = False
    while not is_over:
        action, wanted = knowing.act(observation), plain.act(as_read(env, observation))
        np.testing.assert_allclose(np.ravel(action), np.ravel(wanted) + first, rtol=1e-6)
        assert isinstance(action, int) == isinstance(env.action_space, spaces.Discrete)
        observation, _, terminated, truncated, _ = env.step(action)
        is_over = terminated or truncated


@pytest.mark.parametrize("kind", KINDS)
def test_vector_environments_give_and_take_batches(kind):
    envs, apart = SyncVectorEnv([kind] * 2), [kind(), kind()]
    together, _ = agents_of(envs, num_envs=2)
    listed, _ = agents_of(apart[0], num_envs=2)
    observations, _ = envs.reset(seed=[0, 1])
    shown = [env.reset(seed=seed)[0] for seed, env in enumerate(apart)]
    for _ in range(2):  # no episode is shorter than three steps
        actions, others = together.act(observations), listed.act(shown)
        np.testing.assert_array_equal(actions, others)
        observations, *_ = envs.step(actions)
        shown = [env.step(action)[0] for env, action in zip(apart, others, strict=True)]


def test_one_environment_in_a_vector_is_given_a_batch_of_one():
    envs = SyncVectorEnv([Ladder])
    agent, _ = agents_of(envs)
    assert agent.act(envs.reset(seed=0)[0]).shape == (1,)


@pytest.mark.parametrize(
    ("env", "num_envs", "observations", "message"),
    [
        (
            Planes(),
            1,
            np.zeros((2, 6, 7), bool),
            r"environment 0 \(Planes\) returned .* shape \(2, 6, 7\)",
        ),
        (Planes(), 1, np.zeros((6, 7, 2)), "image of dtype float64; return bool"),
        (Ladder(), 1, None, "returned None"),
        (Ladder(), 1, [0, 0, 0, 0, np.nan], "feature 4 is nan"),
        (Ladder(), 2, np.zeros((3, 5)), "there are 3 observations of Ladder; give 2, one for each environment"),
        (Ladder(), 2, 7, "given as observations of Ladder is none .*; give 2"),
        (Ladder(), 2, [np.zeros(5), np.zeros(4)], r"environment 1 \(Ladder\) .* shape \(4,\)"),
        (Parts(), 1, {"time": 3}, "keys"),
        (SyncVectorEnv([Parts, Parts]), 2, {"time": np.zeros(2, int)}, "none .*; give 2"),
        (SyncVectorEnv([Ladder, Ladder]), 2, np.zeros((1, 5)), "there are 1 observations"),
    ],
)
def test_what_the_environment_would_not_show_is_refused_and_changes_nothing(env, num_envs, observations, message):
    agent, _ = agents_of(env, num_envs=num_envs)
    twin, _ = agents_of(env, num_envs=num_envs)
    with pytest.raises(EnvError, match=message):
        agent.act(observations)
    shown, _ = env.reset(seed=3)
    if num_envs == 2 and isinstance(env, Ladder):
        shown = [shown, shown]
    np.testing.assert_array_equal(agent.act(shown), twin.act(shown))


@pytest.mark.usefixtures("no_pictures")
def test_a_run_is_loaded_with_its_environment_and_plays(tmp_path):
    config = tiny_config(tmp_path, run_name="planes", environment="Planes")
    model = replace(config.agent.model, encoder_width=ModelConfig().encoder_width)
    run = kvzero.train(replace(config, agent=replace(config.agent, model=model))).run
    env = Planes()
    knowing, plain = Agent.load(run, env=env), Agent.load(run)
    observation, _ = env.reset(seed=0)
    assert knowing.act(observation) == plain.act(observation.transpose(2, 0, 1))
    with pytest.raises(ConfigError, match="env holds 2 environments, and num_envs is 1; make them alike"):
        Agent.load(run, env=SyncVectorEnv([Planes, Planes]))


def test_an_environment_without_spaces_has_no_formats():
    class Bare(gymnasium.Env):
        action_space = spaces.Discrete(2)

    with pytest.raises(ConfigError, match=r"Bare has the observation_space None; set self\.observation_space"):
        read_formats(Bare())


def test_spaces_that_are_not_played_have_no_formats():
    with pytest.raises(ConfigError, match=r"observation\['eye'\]"):
        read_formats(Mixed())
