"""The command line: which command is run, and how errors reach the user."""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.text import Text

from kvzero.cli.bench import bench
from kvzero.cli.compare import compare
from kvzero.cli.evaluate import evaluate
from kvzero.cli.export import export
from kvzero.cli.inspect import inspect
from kvzero.cli.presets import presets
from kvzero.cli.report import report
from kvzero.cli.streams import warn, watched_stdout
from kvzero.cli.train import train
from kvzero.errors import ConfigError, DeviceError, KvzeroError, KvzeroWarning
from kvzero.interrupts import STATUS, begin_command
from kvzero.training.ranks import refuse_ranks

__all__ = ["main"]

HELP = ("-h", "--help")
CLOSED_PIPE = 141
"""What a shell shows of a program that writes to a pipe which nobody reads."""

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "inspect": inspect,
    "export": export,
    "report": report,
    "compare": compare,
    "presets": presets,
    "bench": bench,
}

USAGE = """\
usage: kvzero COMMAND [ARGUMENTS]

  train PRESET [--field value ...]   train an agent; kvzero train PRESET --help lists the fields
  train --lightzero-config FILE.py [--field value ...]
                                     train the agent that a LightZero config describes
  train --resume RUN                 go on with a run from its newest checkpoint
  evaluate RUN                       play games with a trained agent; also of a file that was exported
  inspect RUN [--serve]              play one game and show what the agent thought at every step, as one page
  export RUN --out FILE.safetensors  write the agent into one file, to hand on
  report RUN... --out FILE           tell of finished runs together: a page, Markdown, JSON or a table
  compare PRESET --env-steps N --out DIR [--stores tree,... --field value ...]
                                     train with several stores in turn and report on speed, memory and results;
                                     also --lightzero-config FILE.py in place of PRESET
  presets                            list the presets
  bench search [--peer mctx]         measure how fast search is on this machine
  bench suite                        the same for the shapes of the documentation, against mctx
  bench train                        measure how fast a preset collects and learns
  bench codecs RUN                   measure what rounded keys and values save and cost in games of a run

  --version                          print the version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    It is 0 done, 1 failed on the way, 2 bad input, 130 interrupted, 141 nobody reads what is printed any more.
    """
    begin_command()
    with watched_stdout() as stdout:
        try:
            try:
                return _run(list(sys.argv[1:] if arguments is None else arguments))
            finally:  # help ends the program by itself
                stdout.flush()
        except OSError as error:
            if error is not stdout.failure:
                raise
            if isinstance(error, BrokenPipeError):
                return CLOSED_PIPE
            return _refuse(f"standard output cannot be written: {error.strerror}", status=1)


def _run(words: list[str]) -> int:
    if not words or words[0] in HELP or (words[0] in ("train", "compare", "bench") and words[1:2] and words[1] in HELP):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        print(f"kvzero {version('kvzero')}")
        return 0
    if words[0] not in COMMANDS:
        return _refuse(f"there is no command {words[0]!r}; choose one of {', '.join(COMMANDS)}")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a console script does not look in the current folder, where users keep environments
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            if words[0] != "train":
                refuse_ranks(f"kvzero {words[0]}")
            return COMMANDS[words[0]](words[1:])
    except KvzeroError as error:
        return _refuse(str(error), status=2 if isinstance(error, ConfigError | DeviceError) else 1)
    except KeyboardInterrupt:
        return _refuse("interrupted", status=STATUS)


def _show_warning(show: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Tell of what kvzero warns of in a line of its own; of anything else as Python does."""
    if not issubclass(category, KvzeroWarning):
        show(message, category, *place)
        return
    warn(message)


def _refuse(message: str, *, status: int = 2) -> int:
    line = Text.assemble(("error:", "bold red"), " ", " ".join(message.split()))
    with suppress(OSError):  # where there is no standard error, the status has to do
        Console(stderr=True, soft_wrap=True).print(line, highlight=False)
    return status
