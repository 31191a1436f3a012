"""What a run says about where it ran: processor, load, memory used and library versions."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["describe_machine", "library_versions", "machine_facts", "peak_rss_bytes", "rss_bytes"]

CPU_FACTS = Path("/proc/cpuinfo")
LIBRARIES = ("kvzero", "torch", "numpy", "numba", "gymnasium", "ale-py", "box2d", "safetensors")
FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "sve",
)
"""Abilities of a processor that the speed of linear layers depends on, as Linux names them."""


def library_versions(*, also: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of Python, kvzero, the libraries that its results depend on and others, where installed."""
    versions = {"python": platform.python_version()}
    for library in (*LIBRARIES, *also):
        try:
            versions[library] = version(library)
        except PackageNotFoundError:  # an optional one
            continue
    return versions


def machine_facts(*, also: Sequence[str] = ()) -> dict[str, Any]:
    """Return what speed depends on: processor, cores, memory in bytes, load now, system, and versions of libraries.

    `load_average` counts the processes that wanted to compute in the last 1, 5 and 15 minutes: beside more than the
    measured one, timings mean little. `also` names libraries beside those that a run tells of.
    """
    model, flags = _processor()
    return {
        "processor": model,
        "processor_flags": [flag for flag in FLAGS if flag in flags],
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else None,
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "system": platform.platform(),
        "versions": library_versions(also=also),
    }


def describe_machine() -> dict[str, str]:
    """Return what this machine is, and how busy it was in the last minute, in words."""
    load = psutil.getloadavg()[0]
    return {
        "system": platform.platform(),
        "processor": _processor()[0],
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "load before": f"{load:.2f}",
    }


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


def _processor() -> tuple[str, frozenset[str]]:
    """Return the name of the processor and what it can do; both are only known on Linux."""
    if not CPU_FACTS.exists():
        return platform.processor(), frozenset()
    lines = (line.partition(":") for line in CPU_FACTS.read_text(encoding="utf-8", errors="replace").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    name = facts.get("model name", platform.processor() or platform.machine())
    return name, frozenset(facts.get("flags", facts.get("Features", "")).split())
