"""Ray, which is imported where it is used, and kept from what it does to a process that imports it."""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kvzero.errors import ConfigError
from kvzero.processes import STOP_SIGNALS

__all__ = ["QUIET", "at_loopback", "authenticating", "import_ray"]

QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
"""How `ray.init` is told to leave the terminal alone; what actors print is in Ray's own log files."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # errors of replies that nobody waits for any more
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # lines that Ray would print of actors that died; its log files have them
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else who asks a cluster that was just left begins another
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns that it will be so one day
}
"""What Ray reads for as long as it runs."""


def import_ray() -> Any:
    """Return the module `ray`.

    Raises:
        ConfigError: if it is not installed.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    hook = sys.excepthook
    try:
        import ray  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigError('collectors need Ray, which is not installed; run: pip install "kvzero[ray]"') from error
    finally:
        sys.excepthook = hook  # Ray's asks the cluster first, which may be why the process ends
    return ray


@contextmanager
def authenticating(variables: Mapping[str, str]) -> Iterator[None]:
    """Let Ray be started or joined with these variables, and take them back; signals are handled as before, too.

    A process of Ray keeps what it was begun with, and the driver keeps its token: neither reads the variables again.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    _read_again()
    try:
        with _signals_kept():
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def at_loopback() -> Iterator[None]:
    """Let Ray be started or joined at 127.0.0.1, in place of which it takes an address that other hosts reach."""
    constants: Any = importlib.import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _read_again() -> None:
    """Let Ray forget how it authenticated before: it reads the environment once per process otherwise."""
    raylet = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Handle signals afterwards as before: Ray puts a handler of its own for SIGTERM, which only exits."""
    if threading.current_thread() is not threading.main_thread():  # where Ray leaves them alone
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
