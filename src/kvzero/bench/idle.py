"""How much of the time a device has nothing to do while something is done with it."""

import time
from collections.abc import Callable, Iterable

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

__all__ = ["covered", "measure_idle_share"]


def measure_idle_share(work: Callable[[], None], device: torch.device) -> float:
    """Return the share of the time that `work` took in which nothing that PyTorch gave the device ran there.

    PyTorch's profiler watches: on a GPU kernels and copies, those of replayed graphs too; on a CPU operations, so that
    what Python and other libraries do counts as idle. It takes time itself, most of all on a CPU.
    """
    is_cuda = device.type == "cuda"
    kind, activity = (DeviceType.CUDA, ProfilerActivity.CUDA) if is_cuda else (DeviceType.CPU, ProfilerActivity.CPU)
    with profile(activities=[activity], acc_events=True) as profiler:  # or PyTorch 2.11 warns that some may be lost
        before = time.perf_counter()
        work()
        if is_cuda:
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - before
    events = profiler.events() or []
    spans = [(event.time_range.start, event.time_range.end) for event in events if event.device_type == kind]
    return round(max(0.0, 1 - covered(spans) / (1e6 * seconds)), 3)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of what at least one of the spans covers."""
    length, end = 0.0, float("-inf")
    for begin, stop in sorted(spans):
        length += max(0.0, stop - max(begin, end))
        end = max(end, stop)
    return length
