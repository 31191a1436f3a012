"""DeepMind Control tasks as Gymnasium environments: what they show, how long an action is held, how episodes end."""

import importlib
import importlib.metadata
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Float, Shaped, UInt8

from kvzero.envs.gl import choose_gl, require_gl
from kvzero.errors import ConfigError

__all__ = ["DmcEnvironment"]

INSTALL = 'pip install "kvzero[dmc]"'
FIRST_UNFIT_MUJOCO = 4
VIDEO_SIZE = (240, 320)

PLAIN = {"shadow": False, "reflection": False}
"""They take four fifths of a picture's time where no GPU draws it, and change its bytes by 0.6 of 255 on average."""

Info = dict[str, Any]


class DmcEnvironment(gymnasium.Env[np.ndarray, np.ndarray]):
    """A task of the DeepMind Control suite (Tassa et al. 2018).

    A state is the task's own observations in the task's own order, each one flattened row by row, one behind the other.
    An image is RGB `[image_size, image_size, 3]` from the task's first camera, without shadows and reflections. An
    action is held for `action_repeat` steps of the task, whose rewards are added, or less where the episode ends. The
    end of the task's time is a truncation, any other end a termination.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (Gymnasium's own convention)

    def __init__(
        self, task: str, *, action_repeat: int, image_size: int | None = None, render_mode: str | None = None
    ) -> None:
        """Load `task`, named `domain-task`; show images if `image_size` is given.

        Raises:
            ConfigError: if there is no such task, a package is missing or unfit, or images cannot be drawn here.
        """
        self.render_mode = render_mode
        if image_size is not None or render_mode is not None:
            require_gl(f"dmc {task}")
        self._random = np.random.RandomState()  # what dm_control draws from
        self._task = _load(task, self._random)
        self._action_repeat = action_repeat
        step_seconds = self._task.control_timestep() * action_repeat
        self.metadata = {**self.metadata, "render_fps": 1 / step_seconds}
        self._image_size = image_size
        action = self._task.action_spec()
        low, high = (np.broadcast_to(bound, action.shape) for bound in (action.minimum, action.maximum))
        self.action_space = Box(low, high, dtype=np.float64)
        self.observation_space = self._observation_space()

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Shaped[np.ndarray, "..."], Info]:
        """Begin an episode."""
        super().reset(seed=seed)
        if seed is not None:
            self._random.seed(seed)
        return self._look(self._task.reset().observation), {}

    def step(self, action: Float[np.ndarray, " dim"]) -> tuple[Shaped[np.ndarray, "..."], float, bool, bool, Info]:
        """Hold an action."""
        reward = 0.0
        for _ in range(self._action_repeat):
            step = self._task.step(action)
            reward += step.reward or 0.0
            if step.last():
                break
        is_over = step.last() and step.discount == 0
        return self._look(step.observation), reward, is_over, step.last() and not is_over, {}

    def render(self) -> UInt8[np.ndarray, "height width 3"]:
        """Return a picture for a video."""
        height, width = VIDEO_SIZE
        return self._draw(height, width)

    def close(self) -> None:
        """Give back memory of the simulation and the pictures."""
        self._task.close()

    def _observation_space(self) -> Box:
        if self._image_size is not None:
            return Box(0, 255, (self._image_size, self._image_size, 3), np.uint8)
        size = sum(int(np.prod(spec.shape)) for spec in self._task.observation_spec().values())
        return Box(-np.inf, np.inf, (size,), np.float32)

    def _look(self, observation: dict[str, np.ndarray]) -> Shaped[np.ndarray, "..."]:
        if self._image_size is not None:
            return self._draw(self._image_size, self._image_size)
        return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float32)

    def _draw(self, height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
        picture: np.ndarray = self._task.physics.render(
            height=height, width=width, camera_id=0, render_flag_overrides=PLAIN
        )
        return picture.copy()


def _load(name: str, random: np.random.RandomState) -> Any:
    suite = _import_suite()
    domain, _, task = name.partition("-")
    tasks = {known: [task for of, task in suite.ALL_TASKS if of == known] for known, _ in suite.ALL_TASKS}
    if domain not in tasks:
        raise ConfigError(
            f"DeepMind Control has no domain {domain!r}; give --task DOMAIN-TASK with one of {', '.join(sorted(tasks))}"
        )
    if task not in tasks[domain]:
        known = ", ".join(f"{domain}-{task}" for task in sorted(tasks[domain]))
        raise ConfigError(f"DeepMind Control has no task {name!r}; choose one of {known}")
    with _quiet():
        return suite.load(domain, task, task_kwargs={"random": random})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what MuJoCo warns of in the suite's own models, which nobody here can mend."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _import_suite() -> ModuleType:
    choose_gl()
    try:
        return importlib.import_module("dm_control.suite")
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] in ("dm_control", "mujoco"):
            raise ConfigError(f"DeepMind Control needs {error.name}, which is not installed; run: {INSTALL}") from error
        raise ConfigError(f"dm_control cannot be imported ({error}){_unfit_mujoco()}; run: {INSTALL}") from error
    except Exception as error:  # whatever an unfit version of MuJoCo makes dm_control raise
        raise ConfigError(
            f"dm_control cannot be imported ({type(error).__name__}: {error}){_unfit_mujoco()}; run: {INSTALL}"
        ) from error


def _unfit_mujoco() -> str:
    """Return what to say of the version of MuJoCo that is installed, if it is known not to fit."""
    version = importlib.metadata.version("mujoco")
    is_unfit = int(version.partition(".")[0]) >= FIRST_UNFIT_MUJOCO
    return f', as it needs "mujoco<{FIRST_UNFIT_MUJOCO}" and {version} is installed' if is_unfit else ""
