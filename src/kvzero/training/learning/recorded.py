"""Updates on a GPU without their launches: what was computed a few times is recorded, and from then on replayed.

An update is about 1,100 kernels, many of which take longer to launch than to run. What is recorded is all that an
update does on the device, from targets to the EMA network, with the numbers that the host put in: so a recording serves
as long as these stay what they were.
"""

import logging
from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from kvzero.engines.device import Recording
from kvzero.training.learning.targets import Unroll

__all__ = ["CudaUpdates", "Made", "RecordedUpdates", "UpdateRecorder"]

logger = logging.getLogger(__name__)

NUM_DIRECT = 3
"""Updates that are computed directly first: libraries choose their algorithms, the optimiser makes its moments."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of an update that was made."""

    figures: dict[str, Tensor]
    value_errors: Float[Tensor, " batch"] | None


@runtime_checkable  # the shape checks of the test session ask isinstance
class UpdateRecorder(Protocol):
    """Does work, and records it."""

    def directly(self, work: Callable[[], Made]) -> Made:
        """Do the work now."""
        ...

    def record(self, work: Callable[[], Made]) -> tuple[Recording, Made] | None:
        """Return a recording and the tensors that a replay fills, without doing the work; None if it cannot be."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """A recording, what it reads and what it fills."""

    recording: Recording
    unroll: Unroll
    made: Made


class RecordedUpdates:
    """Makes updates, from the fourth one of a shape on by a recording.

    Only the newest shape's is held. Weights, moments and the learning rate may change in place between updates; nothing
    that is read may move.
    """

    def __init__(self, recorder: UpdateRecorder) -> None:
        self._recorder = recorder
        self._shape: Hashable = None
        self._num_direct = 0
        self._held: _Held | None = None
        self._fails = False

    def make(self, shape: Hashable, unroll: Unroll, compute: Callable[[Unroll], Made]) -> Made:
        """Return what `compute` makes of an unroll; with one `shape` it does the same to tensors of the same shapes."""
        if shape != self._shape:
            self._shape, self._num_direct, self._held = shape, 0, None
        if self._held is None and self._num_direct >= NUM_DIRECT and not self._fails:
            self._record(unroll, compute)
        if self._held is not None:
            return self._replay(self._held, unroll)
        self._num_direct += 1
        return self._recorder.directly(lambda: compute(unroll))

    def _record(self, unroll: Unroll, compute: Callable[[Unroll], Made]) -> None:
        kept = deepcopy(unroll)
        found = self._recorder.record(lambda: compute(kept))
        self._fails = found is None
        if found is not None:
            self._held = _Held(found[0], kept, found[1])

    def _replay(self, held: _Held, unroll: Unroll) -> Made:
        for place, tensor in zip(held.unroll.tensors(), unroll.tensors(), strict=True):
            place.copy_(tensor, non_blocking=True)
        held.recording.replay()
        errors = held.made.value_errors
        figures = torch.stack([*held.made.figures.values()])  # a copy: the next replay writes over what is held
        return Made(
            dict(zip(held.made.figures, figures.unbind(), strict=True)), None if errors is None else errors.clone()
        )


class CudaUpdates:
    """Records updates as CUDA graphs (PyTorch's notes on CUDA semantics, "Whole-network capture")."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def directly(self, work: Callable[[], Made]) -> Made:
        """Do the work on the stream that it will be recorded on, where what autograd keeps will belong then."""
        current = torch.cuda.current_stream(self._device)
        self._beside.wait_stream(current)
        with torch.cuda.stream(self._beside):
            made = work()
        current.wait_stream(self._beside)
        return made

    def record(self, work: Callable[[], Made]) -> tuple[Recording, Made] | None:
        """Capture the work; None, and a line in the log, where that fails."""
        graph = torch.cuda.CUDAGraph()
        try:
            with (
                torch.cuda.device(self._device),
                torch.cuda.graph(graph, stream=self._beside, capture_error_mode="thread_local"),
            ):
                made = work()
        except RuntimeError as error:
            logger.warning("updates on %s run without a CUDA graph, more slowly: %s", self._device, error)
            return None
        return graph, made
