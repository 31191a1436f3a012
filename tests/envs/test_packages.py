"""Ids of packages that wait to be asked are found by their names alone."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import gymnasium
import pytest

from kvzero.envs import packages
from kvzero.envs.lookup import find_registration
from kvzero.errors import ConfigError

WAITING = {
    "minatar": "MinAtar/Breakout-v1",
    "minigrid": "MiniGrid-DoorKey-5x5-v0",
    "popgym": "popgym-RepeatPreviousEasy-v0",
}


@pytest.mark.parametrize("package", WAITING)
def test_an_id_is_found_without_the_module_that_registers_it(package):
    pytest.importorskip(package)
    assert find_registration(WAITING[package]).id == WAITING[package]


@pytest.mark.parametrize("package", WAITING)
def test_a_misspelt_id_suggests_one_of_the_package(package):
    pytest.importorskip(package)
    env_id = WAITING[package]
    with pytest.raises(ConfigError, match=rf"did you mean {env_id}"):
        find_registration(env_id.replace("e", "ee", 1))


@pytest.mark.parametrize("package", WAITING)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    known = {env_id: found for env_id, found in gymnasium.registry.items() if env_id[:4] != WAITING[package][:4]}
    monkeypatch.setattr(gymnasium, "registry", known)
    with pytest.raises(ConfigError, match=rf'{WAITING[package]} needs {package}, .*pip install "kvzero\[{package}\]"'):
        packages.register_package(WAITING[package])


def test_a_package_that_offers_a_hook_is_asked_once_and_only_for_its_own_ids(monkeypatch):
    asked = []

    class Hook(EntryPoint):
        def load(self):
            return lambda: asked.append(self.name)

    hooks = [Hook(name, f"{name}.gym:register_envs", "gymnasium.envs") for name in ("maze", "another")]
    monkeypatch.setattr(packages, "entry_points", lambda *, group: [hook for hook in hooks if hook.group == group])
    monkeypatch.setattr(packages, "_PACKAGES", {"Maze/": "maze"})
    monkeypatch.setitem(sys.modules, "maze", sys)
    monkeypatch.setattr(gymnasium, "registry", {})
    packages.register_package("CartPole-v1")
    assert asked == []
    packages.register_package("Maze/Small-v0")
    assert asked == ["maze"]
    gymnasium.registry["Maze/Large-v0"] = None
    packages.register_package("Maze/Small-v0")
    assert asked == ["maze"]


def test_nothing_is_imported_for_ids_of_others():
    program = (
        "import sys; from kvzero.envs.lookup import find_registration; find_registration('CartPole-v1'); "
        f"assert not {set(WAITING)!r} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
