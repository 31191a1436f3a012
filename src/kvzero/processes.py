"""An object in a process of its own: begun anew, never forked, and asked one thing at a time over one line.

A request names a function and its arguments; the reply is what it returned, or the `KvzeroError` that it raised. Any
other error ends the process. Libraries were weighed: an executor of the standard library does not tell how a process
died, and a manager of it serves every request in a new thread.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, runtime_checkable

from kvzero.errors import KvzeroError, ProcessError

__all__ = ["STOP_SIGNALS", "RemoteObject", "ShouldStop", "serve"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what schedulers send, and what a terminal sends when it goes away."""
CODE = "from kvzero.processes import serve; serve()"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LP_NUM_THREADS")
"""What libraries read, when they are loaded, to know with how many threads to compute and to draw."""
LOOK_SECONDS = 0.2
"""How long a wait for a reply lasts before it is looked whether the process lives, and whether to stop."""
ShouldStop = Callable[[], bool]
"""Tells whether to end early."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Closable(Protocol):
    """What a process can hold."""

    def close(self) -> None:
        """Give back files, windows and threads."""
        ...


Target = TypeVar("Target", bound=Closable)
Result = TypeVar("Result")
Given = ParamSpec("Given")


class Request(NamedTuple):
    """What passes over the line; None in place of one says to end early, and has no reply of its own."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    can_stop: bool
    """Whether the function takes, after the object, another that tells whether to end early."""


class RemoteObject(Generic[Target]):
    """The near end: the process, and the line to the object that it holds. It computes only when asked.

    Whatever passes over the line is pickled: functions are those of modules. Stop signals do not reach the process:
    they are for the one that ends it.
    """

    def __init__(
        self,
        make: Callable[[], Target],
        *,
        name: str,
        num_threads: int,
        log: Path | None = None,
        end_seconds: float = 5.0,
    ) -> None:
        """Start the process, which makes the object; `receive` the first reply, None, before anything else.

        Args:
            make: makes the object.
            name: what errors call the process.
            num_threads: threads that each library in it computes with.
            log: where its standard error goes; to that of this process if not given.
            end_seconds: how long it may take to close its object before it is killed.
        """
        self._name, self._log, self._end_seconds = name, log, end_seconds
        self._line, far_end = Pipe()
        with far_end, _open(log) as errors, _stop_signals_blocked():
            self._process = subprocess.Popen(  # noqa: S603  # our own code
                [sys.executable, "-c", CODE, str(far_end.fileno())],
                env=_environment(num_threads),
                pass_fds=[far_end.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )
        self._send(make)

    def call(
        self,
        function: Callable[Concatenate[Target, Given], Result],
        *arguments: Given.args,
        **options: Given.kwargs,
    ) -> Result:
        """Return what the function returns for the object, or raise what it raised.

        Raises:
            KvzeroError: what the function raised; a `ProcessError` if the process ends, or has ended.
        """
        self.send(function, *arguments, **options)
        result: Result = self.receive()
        return result

    def call_until(
        self,
        should_stop: ShouldStop,
        function: Callable[Concatenate[Target, ShouldStop, Given], Result],
        *arguments: Given.args,
        **options: Given.kwargs,
    ) -> Result:
        """As `call`, of a function that is told by its second argument whether to end early.

        `should_stop` is asked here; once it says so, the function's own says so too.
        """
        self._send(Request(function, arguments, options, can_stop=True))
        result: Result = self.receive(should_stop)
        return result

    def send(
        self,
        function: Callable[Concatenate[Target, Given], Any],
        *arguments: Given.args,
        **options: Given.kwargs,
    ) -> None:
        """Ask without waiting: `receive` the reply before anything else is asked."""
        self._send(Request(function, arguments, options, can_stop=False))

    def send_stoppable(
        self,
        function: Callable[Concatenate[Target, ShouldStop, Given], Any],
        *arguments: Given.args,
        **options: Given.kwargs,
    ) -> None:
        """As `send`, of a function that is told by its second argument whether to end early: once this is closed."""
        self._send(Request(function, arguments, options, can_stop=True))

    def has_reply(self, seconds: float = 0.0) -> bool:
        """Tell whether `receive` has not to wait, now or within so many seconds; so it is where the process ended."""
        return self._line.poll(seconds)

    def receive(self, should_stop: ShouldStop | None = None) -> Any:
        """Return the next reply, or raise it; the process is told to end early once `should_stop` says so."""
        is_told = should_stop is None
        try:
            while not self._line.poll(LOOK_SECONDS):
                if self._process.poll() is not None and not self._line.poll():
                    raise self._ended()
                if not is_told and should_stop is not None and should_stop():
                    self._line.send(None)
                    is_told = True
            reply = self._line.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(reply, KvzeroError):
            raise reply
        return reply

    def close(self) -> None:
        """End the process: kindly, since it hangs up when the line is closed, then by force."""
        self._line.close()
        try:
            self._process.wait(self._end_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, request: object) -> None:
        try:
            self._line.send(request)
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> ProcessError:
        """Say how the process ended, and the last line that it wrote."""
        status = self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        if self._log is None:
            return ProcessError(f"{self._name} {how}")
        lines = self._log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return ProcessError(f"{self._name} {how}: {last}; see {self._log}")


@contextmanager
def _open(log: Path | None) -> Iterator[Any]:
    if log is None:
        yield None
        return
    with log.open("wb") as file:
        yield file


@contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Block stop signals in this thread: a process begun meanwhile has them blocked for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment(num_threads: int) -> dict[str, str]:
    threads = dict.fromkeys(THREAD_VARIABLES, str(num_threads))
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(sys.path)}


def serve() -> None:
    """Be the far end: make the object and answer until the line is closed, whose descriptor is the first argument."""
    with Connection(int(sys.argv[1])) as line:
        requests = _requests(line)
        make = next(requests, None)
        if make is None:
            return
        try:
            target = make()
        except KvzeroError as error:
            _reply(line, error)
            return
        _reply(line, None)
        with closing(target):
            for request in requests:
                _reply(line, _answer(target, request, line.poll))


def _answer(target: Closable, request: Request, should_stop: ShouldStop) -> object:
    told = [should_stop] if request.can_stop else []
    try:
        return request.function(target, *told, *request.arguments, **request.options)
    except KvzeroError as error:
        return error


def _requests(line: "Connection[Any, Any]") -> Iterator[Any]:
    """Yield requests until the line is closed; a word to stop that came too late is none."""
    while True:
        try:
            request = line.recv()
        except (EOFError, OSError):
            return
        if request is not None:
            yield request


def _reply(line: "Connection[Any, Any]", reply: object) -> None:
    with suppress(OSError):  # nobody is there any more: the next request will not come
        line.send(reply)
