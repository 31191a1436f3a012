"""Ctrl-C while the command `kvzero` is still being imported, which takes seconds: it ends as it does later on.

`kvzero` imports this module before any other of its own. In a program that only uses the library nothing changes.
"""

import os
import signal
import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType

__all__ = ["STATUS", "await_command", "begin_command"]

STATUS = 130


def await_command() -> None:
    """End on Ctrl-C without a trace, if this process is the command, until `begin_command`."""
    if is_command(sys.argv[:1], sys.orig_argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def begin_command() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt` again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_command(program: list[str], words: list[str]) -> bool:
    """Return whether a process with this program and these words was started as `kvzero`, or as `python -m kvzero`."""
    is_module = program == ["-m"] and ("-m", "kvzero") in pairwise(words)
    return is_module or [Path(name).stem for name in program] == ["kvzero"]


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"error: interrupted\n")
    os._exit(STATUS)  # nothing has begun that could be left half done


await_command()
