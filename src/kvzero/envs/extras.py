"""Which extra of kvzero brings a package that an environment misses."""

from kvzero.errors import ConfigError

__all__ = ["missing_dependency"]

_EXTRAS = {
    "box2d": "box2d",
    "minatar": "minatar",
    "minigrid": "minigrid",
    "mujoco": "mujoco",
    "popgym": "popgym",
    "pygame": "video",
}


def missing_dependency(place: str, error: Exception) -> ConfigError:
    """Return the error for a package that could not be imported, with the command that installs it."""
    text = str(error)
    for package, extra in _EXTRAS.items():
        if package in text.lower():
            return ConfigError(f'{place} needs {package}, which is not installed; run: pip install "kvzero[{extra}]"')
    return ConfigError(f"{place} needs a package that is not installed: {text}")
