"""DeepMind Control: what tasks show, how long actions last, how episodes end, and what is said where it is missing."""

import importlib
import sys
import types

import numpy as np
import pytest

from kvzero.envs import EnvConfig, dmc, gl, make_environments
from kvzero.envs.dmc import DmcEnvironment
from kvzero.errors import ConfigError, EnvError

gl.choose_gl()  # before dm_control is imported, as kvzero does
suite = pytest.importorskip("dm_control.suite", reason="the extra dmc is not installed (it has no Python 3.13)")


def make(task="cartpole-swingup", *, num_envs=2, **settings):
    return make_environments(EnvConfig(env_id="dmc", task=task, **settings), num_envs=num_envs, training=True)


def hold(env, action, times):
    return [env.step(np.full(env.action_space.shape, action)) for _ in range(times)]


def test_a_state_is_the_tasks_own_observations_one_behind_the_other():
    env = DmcEnvironment("walker-walk", action_repeat=1)
    observation, _ = env.reset(seed=3)
    task = suite.load("walker", "walk", task_kwargs={"random": np.random.RandomState(3)})
    parts = task.reset().observation
    assert list(parts) == ["orientations", "height", "velocity"]
    wanted = np.concatenate([parts["orientations"], [parts["height"]], parts["velocity"]])
    np.testing.assert_allclose(observation, wanted, rtol=1e-6)
    assert observation.dtype == np.float32


def test_an_action_is_held_and_its_rewards_are_added():
    once, thrice = (DmcEnvironment("cartpole-balance", action_repeat=repeat) for repeat in (1, 3))
    for env in (once, thrice):
        env.reset(seed=1)
    singles = hold(once, 0.7, 3)
    ((observation, reward, *_),) = hold(thrice, 0.7, 1)
    np.testing.assert_array_equal(observation, singles[-1][0])
    assert reward == pytest.approx(sum(step[1] for step in singles))


@pytest.mark.parametrize(("repeat", "steps"), [(2, 500), (300, 4)])
def test_the_end_of_the_tasks_time_is_a_truncation(repeat, steps):
    env = DmcEnvironment("point_mass-easy", action_repeat=repeat)
    env.reset(seed=0)
    ends = [(terminated, truncated) for _, _, terminated, truncated, _ in hold(env, 0.0, steps)]
    assert ends == [(False, False)] * (steps - 1) + [(False, True)]


def test_any_other_end_is_a_termination():
    env = DmcEnvironment("lqr-lqr_2_1", action_repeat=5)
    env.reset(seed=0)
    assert not env.step(np.zeros(1))[2]
    with env._task.physics.reset_context():
        env._task.physics.data.qpos[:] = 0  # the task ends where everything is at rest
    *_, terminated, truncated, _ = env.step(np.zeros(1))
    assert (terminated, truncated) == (True, False)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others():
    def play(seed):
        envs = make(num_envs=2, action_repeat=2)
        looks = [envs.reset(seed).observations]
        looks += [envs.step(np.full((2, 1), 0.3, np.float32)).observations for _ in range(4)]
        return np.stack(looks)

    first = play(5)
    np.testing.assert_array_equal(first, play(5))
    assert not np.array_equal(first[:, 0], first[:, 1])
    np.testing.assert_array_equal(first[:, 1], play(6)[:, 0])


def test_an_action_that_is_no_number_is_refused_and_nothing_is_lost():
    envs = make()
    envs.reset(0)
    with pytest.raises(EnvError, match="environment 1 was given action"):
        envs.step(np.array([[0.0], [np.nan]], np.float32))
    assert np.isfinite(envs.step(np.zeros((2, 1), np.float32)).observations).all()


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("cartpol-swingup", r"no domain 'cartpol'; .*one of acrobot, ball_in_cup, .*walker"),
        ("cartpole-swing", "no task 'cartpole-swing'; .*cartpole-balance.*cartpole-swingup"),
        ("cartpole", "no task 'cartpole'"),
    ],
)
def test_an_unknown_task_is_refused_and_the_known_ones_named(task, words):
    with pytest.raises(ConfigError, match=words):
        make(task)


@pytest.fixture
def drawing():
    """Skip where nothing can be drawn."""
    gl.choose_gl()
    if gl.os.environ[gl.VARIABLE] == gl.NONE:
        pytest.skip("neither EGL nor OSMesa works here")


def test_pixels_are_small_rgb_images_of_what_happens(drawing):
    envs = make(from_pixels=True, image_size=32)
    assert envs.spec.observation_shape == (3, 32, 32)
    start = envs.reset(0).observations
    assert start.dtype == np.uint8
    steps = [envs.step(np.ones((2, 1), np.float32)) for _ in range(8)]
    assert (steps[-1].observations != start).mean() > 0.01
    assert start.std() > 10


def test_a_video_is_drawn_of_a_task_that_is_played_from_states(drawing):
    envs = make_environments(EnvConfig(env_id="dmc", task="cartpole-balance"), num_envs=1, training=False, render=True)
    envs.reset(0)
    assert envs.render().shape == (240, 320, 3)


def test_a_machine_that_cannot_draw_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(ConfigError, match=r"neither EGL nor OSMesa works here; .*apt install libegl1"):
        DmcEnvironment("cartpole-balance", action_repeat=1, image_size=64)
    DmcEnvironment("cartpole-balance", action_repeat=1).reset(seed=0)


def fail_to_import(error):
    def importing(name):
        assert name == "dm_control.suite"
        raise error

    return types.SimpleNamespace(import_module=importing, metadata=importlib.metadata)


@pytest.mark.parametrize(
    ("error", "version", "words"),
    [
        (
            ModuleNotFoundError("No module", name="dm_control"),
            "3.17.0",
            r"needs dm_control.*pip install \"kvzero\[dmc",
        ),
        (AttributeError("mj_x"), "4.0.0", r"mj_x\), as it needs \"mujoco<4\" and 4.0.0 is installed; run: pip"),
        (ImportError("no mj_x"), "4.1", r"no mj_x\), as it needs \"mujoco<4\" and 4.1 is installed"),
        (RuntimeError("broken"), "3.17.0", r"\(RuntimeError: broken\); run: pip"),
    ],
)
def test_a_missing_or_unfit_package_is_named_with_its_remedy(monkeypatch, error, version, words):
    monkeypatch.setattr(dmc, "importlib", fail_to_import(error))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_first_backend_that_draws_is_chosen(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(gl, "_can_draw", lambda backend: backend == "osmesa")
    gl.choose_gl()
    assert gl.os.environ["MUJOCO_GL"] == "osmesa"
    monkeypatch.setattr(gl, "_can_draw", lambda backend: True)
    gl.choose_gl()
    assert gl.os.environ["MUJOCO_GL"] == "osmesa", "one that is set is kept"


def test_a_backend_that_fails_is_found_out_without_harm(monkeypatch):
    monkeypatch.setattr(gl, "PROBE", "import sys; sys.exit(3)")
    assert not gl._can_draw("egl")
    monkeypatch.setattr(gl, "PROBE", "import os; assert os.environ['MUJOCO_GL'] == 'egl'")
    assert gl._can_draw("egl")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert not gl._can_draw("egl")


def test_a_video_goes_as_fast_as_the_tasks_own_time():
    assert DmcEnvironment("cartpole-swingup", action_repeat=4).metadata["render_fps"] == pytest.approx(25)
