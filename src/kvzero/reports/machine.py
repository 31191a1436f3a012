"""What a run says about where it ran: memory used and library versions."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

__all__ = ["library_versions", "peak_rss_bytes", "rss_bytes"]

LIBRARIES = ("kvzero", "torch", "numpy", "numba", "gymnasium", "ale-py", "box2d", "safetensors")


def library_versions() -> dict[str, str]:
    """Return the versions of Python, kvzero and the libraries that its results depend on, where installed."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:  # an optional one
            continue
    return versions


def rss_bytes() -> int:
    """Return the memory that this process holds now (its resident set), in bytes."""
    return int(psutil.Process().memory_info().rss)


def peak_rss_bytes() -> int:
    """Return the most memory that this process has ever held (its peak resident set), in bytes."""
    if sys.platform == "linux":  # not getrusage: its peak includes that of the process that started this one
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415  # Unix only

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
