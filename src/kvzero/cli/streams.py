"""The standard streams as commands use them: any terminal can show what is printed, and a pipe may close."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console

from kvzero.reports import SPELLED

__all__ = ["Stdout", "make_console", "warn", "watched_stdout"]


class Stdout:
    """A stream that raises the first failure to write to it, remembers it, and takes in nothing from then on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text."""
        self._attempt(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Write out what is waiting."""
        self._attempt(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, write: Callable[..., object], *text: str) -> None:
        if self.failure is None:
            try:
                write(*text)
            except OSError as error:
                self.failure = error
                raise


@contextmanager
def watched_stdout() -> Iterator[Stdout]:
    """Let standard output spell the characters that its encoding lacks, and tell of the first failure to write to it.

    What it could not take is thrown away in the end, lest it fail once more as the interpreter ends, with a trace.
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=SPELLED)
    watched = Stdout(stream)
    sys.stdout = watched
    try:
        yield watched
    finally:
        sys.stdout = stream
        if watched.failure is not None:
            with suppress(OSError):  # a stream without a descriptor has nothing to redirect
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def make_console() -> Console:
    """Return a console that prints text as it is: brackets are no markup, and lines end where the text's do."""
    return _Console(soft_wrap=True, highlight=False, markup=False)


def warn(message: object) -> None:
    """Write a warning to standard error; one that cannot be written ends nothing."""
    with suppress(OSError):
        print(f"warning: {message}", file=sys.stderr)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise what rich would end the program for."""
        raise  # noqa: PLE0704  # rich calls this while it handles the error
