"""Environments with continuous actions: all pass Gymnasium's own checker, and are played within their bounds."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.utils.env_checker import check_env

from kvzero.envs import EnvConfig, make_environments
from kvzero.envs.adapters import GymEnvironments
from kvzero.envs.factory import _find_maker
from kvzero.envs.gl import choose_gl
from kvzero.errors import ConfigError, EnvError

MUJOCO = ["HalfCheetah-v5", "Hopper-v5"]
CONFIGS = {
    "Pendulum-v1": EnvConfig(env_id="Pendulum-v1"),
    "LunarLanderContinuous-v3": EnvConfig(env_id="LunarLanderContinuous-v3"),
    "BipedalWalker-v3": EnvConfig(env_id="BipedalWalker-v3"),
    "HalfCheetah-v5": EnvConfig(env_id="HalfCheetah-v5"),
    "Hopper-v5": EnvConfig(env_id="Hopper-v5"),
    "cartpole-swingup": EnvConfig(env_id="dmc", task="cartpole-swingup", action_repeat=2),
    "walker-walk": EnvConfig(env_id="dmc", task="walker-walk", action_repeat=2),
    "reacher-easy": EnvConfig(env_id="dmc", task="reacher-easy", action_repeat=4),
}


@pytest.fixture(params=CONFIGS)
def config(request):
    found = CONFIGS[request.param]
    if found.is_dmc:
        choose_gl()
        pytest.importorskip("dm_control")
    if found.env_id in MUJOCO:
        choose_gl()
        pytest.importorskip("mujoco")
    return found


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is.*infinity:UserWarning")
@pytest.mark.filterwarnings("ignore:.*we recommend (using a symmetric|you to use a symmetric):UserWarning")
@pytest.mark.filterwarnings("ignore:.*was not specified through `gym.make`:UserWarning")
@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes:UserWarning")
def test_gymnasiums_own_checker_is_content(config):
    check_env(_find_maker(config)().unwrapped, skip_render_check=True)


def test_random_actions_are_played_for_a_while(config):
    envs = make_environments(config, num_envs=3, training=True)
    rng = np.random.default_rng(0)
    assert envs.reset(0).action_masks.shape == (3, 0)
    for _ in range(30):
        steps = envs.step(rng.uniform(-1, 1, (3, envs.spec.action_dim)).astype(np.float32))
        assert steps.observations.shape == (3, *envs.spec.observation_shape)
        assert np.isfinite(steps.rewards).all()
    envs.close()


class Scale(gymnasium.Env):
    """Shows the action that it was given."""

    def __init__(self, space=None, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = Box(-np.inf, np.inf, (4,), np.float64)
        self.action_space = space or Box(np.array([[-1, 0], [2, -5]]), np.array([[1, 8], [3, 5]]), dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        return np.zeros(4), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return action.ravel(), 0.0, False, False, {}


def test_actions_arrive_in_the_environments_own_units_and_shape():
    envs = GymEnvironments(Scale, name="fake", num_envs=2, render=False, reward_scale=1.0)
    envs.reset(0)
    assert envs.spec.action_bounds == ((-1, 1), (0, 8), (2, 3), (-5, 5))
    steps = envs.step(np.float32([[-1, -1, -1, -1], [1, 0, 0.5, 0.2]]))
    np.testing.assert_allclose(steps.observations, [[-1, 0, 2, -5], [1, 4, 2.75, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Box(-np.inf, np.inf, (2,)), "not bounded"),
        (Box(np.float32([0, 1]), np.float32([1, 1])), "number 1 has no width"),
        (gymnasium.spaces.MultiDiscrete([2, 3]), "a MultiDiscrete; kvzero plays Discrete actions and a Box"),
    ],
)
def test_action_spaces_that_cannot_be_played_are_refused(space, words):
    with pytest.raises(ConfigError, match=words):
        GymEnvironments(lambda: Scale(space), name="fake", num_envs=2, render=False, reward_scale=1.0)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.float32([[0, 0, 0, 0], [0, np.nan, 0, 0]]), "environment 1 was given action"),
        (np.float32([[0, 0, 1.5, 0], [0, 0, 0, 0]]), "environment 0 was given action .* -1 to 1"),
        (np.float32([[0, 0, 0], [0, 0, 0]]), r"shape \(2, 3\); give one for each of the 2 environments"),
        (np.zeros(2, np.int64), "actions are int64"),
    ],
)
def test_actions_that_cannot_be_given_are_refused_before_any_is(actions, words):
    envs = GymEnvironments(Scale, name="fake", num_envs=2, render=False, reward_scale=1.0)
    envs.reset(0)
    with pytest.raises(EnvError, match=words):
        envs.step(actions)
    assert not envs.step(np.float32([[0, -1, -1, 0], [0, -1, -1, 0]])).observations[:, 0].any()


def test_settings_of_another_kind_of_environment_are_refused():
    with pytest.raises(ConfigError, match=r"task, action_repeat would have no effect on 'Pendulum-v1'; only DeepMind"):
        EnvConfig(env_id="Pendulum-v1", task="walker-walk", action_repeat=2)
    with pytest.raises(ConfigError, match="frame_skip, image_size would have no effect"):
        EnvConfig(env_id="dmc", task="walker-walk", frame_skip=3, image_size=32)
    with pytest.raises(ConfigError, match="action_repeat is 0; give at least 1"):
        EnvConfig(env_id="dmc", task="walker-walk", action_repeat=0)
    with pytest.raises(ConfigError, match="task is empty; give --task"):
        EnvConfig(env_id="dmc")
    assert EnvConfig(env_id="dmc", task="walker-walk", from_pixels=True, image_size=32).image_size == 32
