"""Which OpenGL backend MuJoCo draws with: chosen before MuJoCo is first imported, since it cannot be changed later."""

import os
import subprocess
import sys

from kvzero.errors import ConfigError

__all__ = ["choose_gl", "require_gl"]

VARIABLE = "MUJOCO_GL"
BACKENDS = ("egl", "osmesa")
NONE = "disable"
SECONDS = 60

PROBE = """
import mujoco
context = mujoco.GLContext(8, 8)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 150)
"""


def choose_gl() -> None:
    """Set MUJOCO_GL to the first backend that draws without a display, EGL before OSMesa; keep one that is set.

    Without any, MuJoCo is told to draw nothing: it can still be stepped. Call this before MuJoCo is imported; what is
    chosen holds for child processes too.
    """
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = next(filter(_can_draw, BACKENDS), NONE)


def require_gl(place: str) -> None:
    """Refuse to draw where no backend works.

    Raises:
        ConfigError: with what to install.
    """
    choose_gl()
    if os.environ[VARIABLE] == NONE:
        raise ConfigError(
            f"{place} draws with OpenGL, and neither EGL nor OSMesa works here; "
            f"install one of them, on Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri (or libosmesa6), "
            f"and leave {VARIABLE} unset"
        )


def _can_draw(backend: str) -> bool:
    """Draw in a process of its own: a backend that fails would stay loaded."""
    environment = os.environ | {VARIABLE: backend}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        done = subprocess.run(  # noqa: S603  # our own code
            [sys.executable, "-c", PROBE], env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
