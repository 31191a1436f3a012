"""Ctrl-C, SIGTERM and SIGHUP: the first asks the loop to end with a checkpoint, the second ends at once."""

import signal
import threading
from types import FrameType, TracebackType

from kvzero.processes import STOP_SIGNALS

__all__ = ["StopSignal"]


class StopSignal:
    """A context in which the first stop signal is noted rather than raised, and the second ends the program at once.

    Elsewhere than in the main thread it does nothing. SIGHUP, by which a terminal says that it is gone, stays ignored
    where it is, as below `nohup`.
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
            self._previous = {
                number: signal.signal(number, self._note) for number in STOP_SIGNALS if _is_for_us(number)
            }
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


def _is_for_us(number: signal.Signals) -> bool:
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
