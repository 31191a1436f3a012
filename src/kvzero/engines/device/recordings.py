"""Recordings of work on a device: made once for each shape, replayed while all that they read stays where it is."""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

__all__ = ["CudaRecorder", "DirectRecorder", "Recorder", "Recording", "Recordings", "choose_recorder"]

NUM_WARM_UPS = 2

Place = tuple[int, torch.Size, tuple[int, ...], torch.dtype, torch.device]


@runtime_checkable  # the shape checks of the test session ask isinstance
class Recording(Protocol):
    """Work that can be done again, such as a `torch.cuda.CUDAGraph`."""

    def replay(self) -> None:
        """Do the work that was recorded, on the tensors that it was recorded with."""


@runtime_checkable
class Recorder(Protocol):
    """Makes recordings."""

    def record(self, work: Callable[[], None]) -> Recording:
        """Return `work` as a recording. How often `work` runs meanwhile is open."""


class Recordings:
    """One recording per shape, all of which read the same weights.

    A recording has addresses in it. Values may change in place between replays, as optimisers and `load_state_dict`
    change them; when a tensor moves (`Module.to`, a table that has grown), all recordings are thrown away.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._held: dict[Hashable, Recording] = {}
        self._places: list[Place] = []
        self._reads: list[Tensor] = []

    def run(self, shape: Hashable, work: Callable[[], None], *, reads: Sequence[Tensor]) -> None:
        """Do `work`, which reads `reads` and is always the same for one `shape`; record it if that was not done yet."""
        places = [_place(tensor) for tensor in reads]
        if places != self._places:
            self._held.clear()
            # Aliases keep the memory, so that no other tensor can take its place and look as if nothing had moved.
            self._places, self._reads = places, [tensor.detach() for tensor in reads]
        if shape not in self._held:
            self._held[shape] = self._recorder.record(work)
        self._held[shape].replay()


class CudaRecorder:
    """Records work as a CUDA graph (PyTorch's notes on CUDA semantics, "CUDA Graphs")."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def record(self, work: Callable[[], None]) -> Recording:
        """Run `work` a few times beside the current stream, then capture it on the stream that it ran on.

        Running it first lets libraries choose their algorithms and allocate their workspaces, and Triton compile. What
        other threads do with the device meanwhile, such as fetching a batch, does not break the capture. Work that
        cannot be captured is done directly from then on, and the log says why.
        """
        with torch.cuda.device(self._device):
            current, beside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(current)
            with torch.cuda.stream(beside):
                for _ in range(NUM_WARM_UPS):
                    work()
            current.wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
                    work()
            except RuntimeError as error:  # it has just run twice, so what fails is the capture
                logger.warning("work on %s runs without a CUDA graph, more slowly: %s", self._device, error)
                return _Again(partial(self._on_device, work))
        return graph

    def _on_device(self, work: Callable[[], None]) -> None:
        with torch.cuda.device(self._device):
            work()


@dataclass(frozen=True, slots=True)
class _Again:
    """Work that is simply done again."""

    replay: Callable[[], None]


class DirectRecorder:
    """Records nothing: the work itself is done each time, on devices without graphs."""

    def record(self, work: Callable[[], None]) -> Recording:
        """Return `work` as it is."""
        return _Again(work)


def choose_recorder(device: torch.device) -> Recorder:
    """Return a recorder of CUDA graphs on CUDA, elsewhere one that records nothing."""
    return CudaRecorder(device) if device.type == "cuda" else DirectRecorder()


def _place(tensor: Tensor) -> Place:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device
