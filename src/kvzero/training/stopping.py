"""Ctrl-C and SIGTERM: the first asks the loop to end with a checkpoint, the second ends at once."""

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["StopSignal"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """A context in which the first stop signal is noted rather than raised, and the second ends the program at once.

    Elsewhere than in the main thread it does nothing.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._previous: dict[signal.Signals, object] = {}

    def __call__(self) -> bool:
        """Tell whether a stop was asked for."""
        return self._is_set

    def __enter__(self) -> "StopSignal":
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_set = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
