"""A Ray of a run's own: on this machine, at its loopback, with a token that nobody else has, gone with the run."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster.engine import QUIET, at_loopback, authenticating, import_ray

__all__ = ["FOLDER_PREFIX", "started"]

FOLDER_PREFIX = "kvzero-ray-"
NEW_SECONDS = 60.0
"""How long a folder may exist before it counts as left behind if nobody holds it."""
MAX_FOLDER_LETTERS = 40
"""Ray adds 63 letters to the name of its folder, and the name of a Unix socket has at most 103."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where Ray keeps objects
LOGS = ("gcs_server.err", "raylet.err", "gcs_server.out")


@contextmanager
def started(*, num_cpus: int, object_store_bytes: int) -> Iterator[None]:
    """Be connected to a new Ray that has so many CPUs, however many the machine has, and so large an object store.

    It ends with this process, however that ends: the kernel ends its processes then, and the next run to start one
    removes the folder that is left.

    Raises:
        ClusterError: if it does not start.
    """
    ray = import_ray()
    with _folder() as folder:
        with authenticating(_variables()), at_loopback():
            _start(ray, folder, num_cpus=num_cpus, object_store_bytes=object_store_bytes)
        try:
            yield
        finally:
            ray.shutdown(wait_for_processes=True)


def _variables() -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token"),
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as `at_loopback`, in its processes
        "RAY_worker_niceness": "0",  # as this process, where Ray lets what it serves wait for everyone else
        "AUTOSCALER_METRIC_PORT": "0",  # any that is free, where Ray wants the same one for every cluster
    }


def _start(ray: Any, folder: Path, *, num_cpus: int, object_store_bytes: int) -> None:
    inside = folder / "r"  # Ray opens its folder to all users; the one around it is closed
    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            num_gpus=0,
            object_store_memory=object_store_bytes,
            include_dashboard=False,
            _temp_dir=str(inside),
            _plasma_directory=None if _has_shared_memory(object_store_bytes) else str(folder),
            **QUIET,
        )
    except Exception as error:  # Ray raises bare ones
        ray.shutdown()
        raise ClusterError(f"Ray does not start on this machine: {_read_cause(inside) or error}") from error


def _has_shared_memory(num_bytes: int) -> bool:
    return os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > num_bytes


def _read_cause(folder: Path) -> str | None:
    """Return the first line of an error that a process of Ray wrote before it ended."""
    for name in LOGS:
        for log in folder.glob(f"session_latest/logs/{name}"):
            for line in log.read_text(errors="replace").splitlines():
                if " E " in line[:40] or " C " in line[:40]:
                    return line.partition(") ")[2] or line
    return None


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder of this user that is held for as long as this process lives, and remove it."""
    place = tempfile.gettempdir()
    if len(place) + len(FOLDER_PREFIX) + 12 > MAX_FOLDER_LETTERS:
        place = "/tmp"  # noqa: S108  # what is made there is closed to others
    _remove_left(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=place))
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        _lock(folder, held)
        yield folder


def _remove_left(place: Path) -> None:
    """Remove the folders of processes that ended without doing so; new ones are about to be locked."""
    for folder in place.glob(f"{FOLDER_PREFIX}*"):
        with ExitStack() as held, suppress(OSError):  # another user's
            if time.time() - folder.stat().st_mtime > NEW_SECONDS and _lock(folder, held):
                shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path, held: ExitStack) -> bool:
    """Lock a folder until `held` is closed or this process ends; return whether nobody else has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    held.callback(os.close, descriptor)
    return lock_descriptor(descriptor, blocking=False)
