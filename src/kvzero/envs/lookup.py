"""What an environment id stands for: a registered Gymnasium environment, or the user's own class or function."""

import difflib
import importlib
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec as Registration
from gymnasium.error import DependencyNotInstalled

from kvzero.envs.extras import missing_dependency
from kvzero.envs.gl import choose_gl, require_gl
from kvzero.envs.ids import ATARI_PREFIX
from kvzero.envs.packages import register_package
from kvzero.errors import ConfigError, EnvError, KvzeroError

__all__ = ["Maker", "build_environment", "find_maker", "find_registration"]

ATARI_ENTRY_POINT = "ale_py.env:AtariEnv"

WRONG_ARGUMENTS = ("unexpected keyword argument", "required positional", "required keyword-only", "takes no arguments")
"""What Python says of a call that does not fit."""

Environment = gymnasium.Env[Any, Any]
Maker = Callable[..., Environment]


def find_maker(env_id: str) -> Maker:
    """Return what makes the environment: a registered id's constructor, or the object at "package.module:Class".

    "package.module:Id-v0", which imports the module that registers the id, is understood as well.

    Raises:
        ConfigError: the id is unknown (close ones are named), the module or its attribute cannot be loaded, or it is an
            Atari game that would show its raw frames.
    """
    if env_id == ATARI_ENTRY_POINT:
        raise ConfigError(f"{env_id!r} shows raw frames; name the game, such as --env-id ALE/Pong-v5")
    module_name, colon, name = env_id.rpartition(":")
    if not colon:
        return _registered_maker(find_registration(env_id))
    module = _import_module(module_name, env_id)
    if name in gymnasium.registry:
        return _registered_maker(gymnasium.registry[name])
    return _load_attribute(module, name, env_id)


def find_registration(env_id: str) -> Registration:
    """Return what Gymnasium knows of a registered id, those of packages that kvzero knows included.

    Raises:
        ConfigError: for an unknown id, or one of a package that is not installed.
    """
    if env_id not in gymnasium.registry:
        _register_atari()
        register_package(env_id)
    if env_id not in gymnasium.registry:
        raise ConfigError(
            f"no environment is called {env_id!r}{_did_you_mean(env_id, _playable_ids())}; "
            f'give a Gymnasium id such as "CartPole-v1", with the module that registers it if another package does '
            f'("module:{env_id}"), or your own environment as "package.module:Class"'
        )
    return gymnasium.registry[env_id]


def build_environment(make: Maker, *, name: str, render: bool) -> Environment:
    """Make one environment, able to render RGB frames if asked.

    Raises:
        ConfigError: a package is missing, frames cannot be rendered, or what was made is no `gymnasium.Env`.
        EnvError: its constructor raised.
    """
    try:
        env = make(render_mode="rgb_array") if render else make()
    except DependencyNotInstalled as error:
        raise missing_dependency(name, error) from error
    except ConfigError:
        raise
    except TypeError as error:
        raise _wrong_arguments(name, error, render=render) from error
    except Exception as error:  # whatever the user's own code may raise
        raise EnvError(f"{name} raised {type(error).__name__} while it was made: {error}") from error
    if not isinstance(env, gymnasium.Env):
        raise ConfigError(f"{name} made a {type(env).__name__}; make an instance of gymnasium.Env")
    if render and env.render_mode != "rgb_array":
        raise ConfigError(
            f"{name} has render_mode {env.render_mode!r}; set self.render_mode to the 'rgb_array' that it was given"
        )
    return env


def _wrong_arguments(name: str, error: TypeError, *, render: bool) -> KvzeroError:
    text = str(error)
    if not any(words in text for words in WRONG_ARGUMENTS):
        return EnvError(f"{name} raised TypeError while it was made: {text}")
    if render and ("render_mode" in text or "takes no arguments" in text):
        return ConfigError(
            f"{name} cannot be made to draw ({text}); let it take render_mode, which is 'rgb_array' then, and keep it "
            "as self.render_mode"
        )
    return ConfigError(
        f"{name} does not take what it was made with ({text}); give --env-kwargs key=value as it asks for"
    )


def _register_atari() -> None:
    gymnasium.register_envs(importlib.import_module("ale_py"))


def _is_atari(registration: Registration) -> bool:
    """Return whether this is an Atari game as the emulator shows it, not wrapped by who registered it."""
    return registration.entry_point == ATARI_ENTRY_POINT and not registration.additional_wrappers


def _playable_ids() -> list[str]:
    return [name for name, found in gymnasium.registry.items() if name.startswith(ATARI_PREFIX) or not _is_atari(found)]


def _refuse_raw_frames(registration: Registration) -> None:
    """Refuse an Atari game by a name under which it would be neither shrunk nor cut as `AtariEnvironments` does."""
    _register_atari()
    game, is_ours = registration.kwargs.get("game"), registration.id.startswith(ATARI_PREFIX)
    known = [
        name for name, found in gymnasium.registry.items() if _is_atari(found) and found.kwargs.get("game") == game
    ]
    env_id = next(name for name in known if name.startswith(ATARI_PREFIX))
    sticky = 0.0 if is_ours else registration.kwargs.get("repeat_action_probability", 0.0)
    raise ConfigError(
        f"{registration.id!r} shows the raw frames of an Atari game, and skips and repeats in ways of its own; kvzero "
        f"plays it as --env-id {env_id}" + (f" --sticky-action-probability {sticky}" if sticky else "")
    )


def _registered_maker(registration: Registration) -> Maker:
    if _is_atari(registration):
        _refuse_raw_frames(registration)
    # Gymnasium's own checker only warns; Guard checks the same things and raises.
    return partial(_make_registered, registration)


def _make_registered(registration: Registration, /, **options: Any) -> Environment:
    if "mujoco" in str(registration.entry_point):
        choose_gl()
        if "render_mode" in options:
            require_gl(registration.id)
    with warnings.catch_warnings():
        # Box2D's wrapper warns while it is imported, and crashes the interpreter where warnings are errors.
        warnings.filterwarnings("ignore", message="builtin type .* has no __module__", category=DeprecationWarning)
        return gymnasium.make(registration, disable_env_checker=True, **options)


def _import_module(module_name: str, env_id: str) -> ModuleType:
    if not all(module_name.split(".")):
        raise ConfigError(f'{env_id!r} names no module before the colon; write "package.module:Class"')
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{env_id!r}: importing {module_name} failed, as it needs {error.name}") from error
        raise ConfigError(
            f"{env_id!r}: there is no module {error.name!r}; install it, or put its folder on PYTHONPATH"
        ) from error
    except Exception as error:  # whatever the user's own code may raise
        raise ConfigError(
            f"{env_id!r}: importing {module_name} raised {type(error).__name__}: {error}; mend the module"
        ) from error


def _load_attribute(module: ModuleType, name: str, env_id: str) -> Maker:
    if not hasattr(module, name):
        hint = _did_you_mean(name, vars(module))
        raise ConfigError(
            f"{env_id!r}: {module.__name__} has no {name!r}{hint}; name a gymnasium.Env class or a function in it"
        )
    maker = getattr(module, name)
    if not callable(maker):
        raise ConfigError(
            f"{env_id!r}: {name} is a {type(maker).__name__}; name a gymnasium.Env class, or a function that makes one"
        )
    return maker  # type: ignore[no-any-return]


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f" (did you mean {', '.join(by_lower[match] for match in close)}?)" if close else ""
