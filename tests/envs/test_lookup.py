"""What ids find, and what each way of not finding says."""

import sys

import gymnasium
import pytest

from kvzero.envs import EnvConfig, make_environments
from kvzero.errors import ConfigError, EnvError

OWN_MODULE = """
import gymnasium, numpy
from gymnasium.spaces import Box, Discrete

class Maze(gymnasium.Env):
    observation_space, action_space = Box(-1, 1, (5,), numpy.float32), Discrete(3)
    def reset(self, *, seed=None, options=None):
        return numpy.zeros(5), {}  # float64, at which Gymnasium's checker would warn
    def step(self, action):
        return numpy.ones(5, numpy.float32), 1.0, False, False, {}

def make_maze():
    return Maze()

def break_down():
    raise OSError("no map")

def make_number():
    return 7

class Sized(Maze):
    def __init__(self, size, *, render_mode=None):
        self.observation_space = Box(-1, 1, (int(size),), numpy.float32)

number = 7
gymnasium.register("kvzero_tests/Maze-v0", Maze)
gymnasium.register("kvzero_tests/Sized-v0", Sized)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "mazes.py").write_text(OWN_MODULE)
    (folder / "broken.py").write_text("1 / 0")
    (folder / "needy.py").write_text("import a_package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_package"
    for env_id in ("kvzero_tests/Maze-v0", "kvzero_tests/Sized-v0"):
        gymnasium.registry.pop(env_id, None)
    for name in [name for name in sys.modules if name.startswith("own_package")]:
        del sys.modules[name]


def make(env_id, *, render=False, **settings):
    return make_environments(EnvConfig(env_id=env_id, **settings), num_envs=2, training=True, render=render)


@pytest.mark.parametrize("name", ["mazes:Maze", "mazes:make_maze", "mazes:kvzero_tests/Maze-v0"])
def test_an_own_environment_is_found_by_class_function_or_id(own, name):
    envs = make(f"{own}.{name}")
    assert envs.spec.observation_shape == (5,)
    assert envs.spec.num_actions == 3
    assert envs.reset(seed=1).observations.shape == (2, 5)
    envs.close()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("nowhere:Maze", ConfigError, "there is no module 'own_package.nowhere'"),
        ("broken:Maze", ConfigError, "importing own_package.broken raised ZeroDivisionError"),
        ("needy:Maze", ConfigError, "needs a_package_that_is_not_there"),
        ("mazes:Mase", ConfigError, r"has no 'Mase' \(did you mean Maze"),
        ("mazes:number", ConfigError, "number is a int; name a gymnasium.Env class"),
        ("mazes:make_number", ConfigError, "made a int; make an instance of gymnasium.Env"),
        ("mazes:break_down", EnvError, "raised OSError while it was made: no map"),
        ("maz es:Maze", ConfigError, "there is no module 'own_package.maz es'"),
    ],
)
def test_each_failure_to_load_says_what_is_wrong(own, name, kind, words):
    with pytest.raises(kind, match=words):
        make(f"{own}.{name}")


@pytest.mark.parametrize("name", ["Sized", "kvzero_tests/Sized-v0"])
def test_arguments_reach_the_constructor(own, name):
    assert make(f"{own}.mazes:{name}", env_kwargs={"size": 7}).spec.observation_shape == (7,)
    for arguments, words in [({}, "missing 1 required positional argument: 'size'"), ({"sise": 7}, "'sise'")]:
        with pytest.raises(ConfigError, match=rf"does not take what .*{words}.*; give --env-kwargs key=value"):
            make(f"{own}.mazes:{name}", env_kwargs=arguments)
    with pytest.raises(EnvError, match=r"raised TypeError while it was made: int\(\) argument must be"):
        make(f"{own}.mazes:{name}", env_kwargs={"size": [7]})


@pytest.mark.parametrize("name", ["make_maze", "Maze"])
def test_a_constructor_without_a_render_mode_is_told_to_take_one_and_not_to_be_given_arguments(own, name):
    with pytest.raises(ConfigError, match=r"cannot be made to draw .*; let it take render_mode, .* self\.render_mode"):
        make(f"{own}.mazes:{name}", render=True)


@pytest.mark.parametrize("space", ["observation_space", "action_space"])
def test_an_environment_without_a_space_is_refused_by_the_name_of_it(own, monkeypatch, space):
    module = __import__(f"{own}.mazes", fromlist=["mazes"])
    monkeypatch.delattr(module.Maze, space)
    with pytest.raises(ConfigError, match=rf"has the {space} None; set self\.{space} to one of gymnasium\.spaces"):
        make(f"{own}.mazes:Maze")


def test_a_missing_parent_package_is_named():
    with pytest.raises(ConfigError, match="there is no module 'not_there'"):
        make("not_there.mazes:Maze")


@pytest.mark.parametrize("env_id", [":Maze", "a..b:Maze", ".b:Maze"])
def test_a_malformed_module_is_refused(env_id):
    with pytest.raises(ConfigError, match="names no module before the colon"):
        make(env_id)


@pytest.mark.parametrize(
    ("env_id", "close"),
    [
        ("CartPole", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("LunarLander-v2", "LunarLander-v3"),
        ("ALE/Pnog-v5", "ALE/Pong-v5"),
        ("ALE/Breakuot-v5", "ALE/Breakout-v5"),
    ],
)
def test_an_unknown_id_suggests_a_close_one(env_id, close):
    with pytest.raises(ConfigError, match=rf"no environment is called {env_id!r} \(did you mean .*{close}"):
        make(env_id)


def test_an_id_like_no_other_suggests_the_module_that_registers_it():
    with pytest.raises(ConfigError, match=r"no environment is called 'Qqq-v0'; give .*\(\"module:Qqq-v0\"\)"):
        make("Qqq-v0")


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("gymnasium.envs.box2d", "Box2D"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(ConfigError, match=r'run: pip install "kvzero\[box2d\]"'):
        make("LunarLander-v3")


def test_another_missing_package_passes_on_what_gymnasium_says(own, monkeypatch):
    module = __import__(f"{own}.mazes", fromlist=["mazes"])

    def need():
        raise gymnasium.error.DependencyNotInstalled("run `pip install quux`")

    monkeypatch.setattr(module, "make_maze", need)
    with pytest.raises(ConfigError, match="needs a package that is not installed: run `pip install quux`"):
        make(f"{own}.mazes:make_maze")


def test_an_environment_that_ignores_the_render_mode_is_refused(own, monkeypatch):
    module = __import__(f"{own}.mazes", fromlist=["mazes"])
    monkeypatch.setattr(module, "make_maze", lambda render_mode: module.Maze())
    with pytest.raises(ConfigError, match="has render_mode None"):
        make(f"{own}.mazes:make_maze", render=True)


def test_an_environment_with_continuous_actions_is_played_in_its_own_units():
    envs = make("Pendulum-v1")
    assert (envs.spec.action_dim, envs.spec.action_bounds) == (1, ((-2.0, 2.0),))
    assert envs.spec.to_bounds(envs.spec.blank_actions(3) - 0.5).tolist() == [[-1.0]] * 3
