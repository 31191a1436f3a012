"""Environments in worker processes do what they do in one process, fail by name, and leave nothing behind."""

import os
import signal
from dataclasses import fields

import numpy as np
import pytest

from kvzero.envs import EnvConfig, make_environments
from kvzero.envs.workers import WorkerEnvironments
from kvzero.errors import ConfigError, EnvError

OWN = """
import gymnasium
import numpy as np
from gymnasium.spaces import Box

class Walk(gymnasium.Env):
    render_mode = None
    observation_space = Box(-np.inf, np.inf, (3,))
    action_space = Box(-2, 2, (1,))

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = float(self.np_random.normal()), 0
        return self.look(), {}

    def look(self):
        return np.array([self.place, self.time, self.np_random.random()], np.float32)

    def step(self, action):
        self.time += 1
        self.place += float(action[0])
        return self.look(), self.place, self.time == 4, False, {}

class Cliff(Walk):
    def step(self, action):
        if action[0] > 1:
            raise ZeroDivisionError("fell off")
        return super().step(action)

class Broken(Walk):
    def __init__(self, render_mode=None):
        raise OSError("no map")

def threads(render_mode=None):
    import os
    env = Walk()
    threads = [float(os.environ[name]) for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS")]
    env.look = lambda: np.array([*threads, 0], np.float32)
    return env
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "walks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "walks"


@pytest.fixture
def make(own):
    made = []

    def make(name="Walk", *, num_envs=5, num_env_workers=2):
        config = EnvConfig(env_id=f"{own}:{name}", num_env_workers=num_env_workers)
        made.append(make_environments(config, num_envs=num_envs, training=True))
        return made[-1]

    yield make
    for envs in made:
        envs.close()


def test_workers_do_what_one_process_does(make):
    spread, together = make(num_env_workers=2), make(num_env_workers=0)
    assert isinstance(spread, WorkerEnvironments)
    assert spread.spec == together.spec
    np.testing.assert_array_equal(spread.reset(7).observations, together.reset(7).observations)
    rng = np.random.default_rng(0)
    for _ in range(9):
        actions = rng.uniform(-1, 1, (5, 1)).astype(np.float32)
        found, wanted = spread.step(actions), together.step(actions)
        for field in fields(wanted):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(wanted, field.name))
    assert spread.reset().observations.shape == (5, 3)


def test_a_worker_has_one_thread_for_each_kind_of_work(make):
    assert make("threads", num_envs=2).reset(0).observations.tolist() == [[1, 1, 0]] * 2


def test_no_more_workers_are_started_than_there_are_environments(make):
    envs = make(num_envs=2, num_env_workers=9)
    assert len(envs._workers) == 2
    assert envs.reset(0).observations.shape == (2, 3)


def test_an_environment_that_fails_is_named_by_its_number(make):
    envs = make("Cliff")
    envs.reset(0)
    envs.step(np.zeros((5, 1), np.float32))
    actions = np.zeros((5, 1), np.float32)
    actions[3] = 1
    with pytest.raises(EnvError, match=r"environment 3 \(walks:Cliff\), at step 2 .*ZeroDivisionError: fell off"):
        envs.step(actions)
    assert np.isfinite(envs.reset(0).observations).all()


def test_what_cannot_be_made_is_refused_as_in_one_process(make, own):
    with pytest.raises(EnvError, match="walks:Broken raised OSError while it was made: no map"):
        make("Broken")
    with pytest.raises(ConfigError, match="has no 'Wlk'"):
        make("Wlk")
    envs = make()
    envs.reset(0)
    with pytest.raises(EnvError, match="environment 4 was given action"):
        envs.step(np.array([[0], [0], [0], [0], [2]], np.float32))


def test_a_worker_that_is_killed_is_named(make):
    envs = make()
    envs.reset(0)
    os.kill(envs._workers[1]._process.pid, signal.SIGKILL)
    envs._workers[1]._process.wait()
    with pytest.raises(EnvError, match=r"the worker of environments 2 to 4 was killed by signal 9; resume"):
        envs.step(np.zeros((5, 1), np.float32))


def test_closing_ends_the_processes(make):
    envs = make()
    envs.close()
    assert [worker._process.returncode for worker in envs._workers] == [0, 0]
    envs.close()


def test_pictures_are_drawn_in_one_process(make, own):
    with pytest.raises(ConfigError, match="draw no pictures"):
        make().render()
    config = EnvConfig(env_id="CartPole-v1", num_env_workers=2)
    envs = make_environments(config, num_envs=1, training=False, render=True)
    envs.reset(0)
    assert envs.render().ndim == 3


def test_atari_has_threads_of_its_own():
    with pytest.raises(ConfigError, match=r"num_env_workers would have no effect .* other than Atari"):
        EnvConfig(env_id="ALE/Pong-v5", num_env_workers=2)
    with pytest.raises(ConfigError, match="num_env_workers is -1"):
        EnvConfig(env_id="CartPole-v1", num_env_workers=-1)
