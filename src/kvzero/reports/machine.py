"""What a run says about where it ran: memory used and library versions."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

__all__ = ["describe_machine", "library_versions", "peak_rss_bytes", "rss_bytes"]

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


def describe_machine() -> dict[str, str]:
    """Return what this machine is, and how busy it was in the last minute, in words."""
    load = psutil.getloadavg()[0]
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "load before": f"{load:.2f}",
    }


def _processor() -> str:
    """Return the processor's name, from where Linux keeps it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    names = [line.partition(":")[2].strip() for line in lines.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


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
