"""What a worker process does: makes its slice of the environments, then answers until the line is closed."""

import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from kvzero.envs.factory import make_slice
from kvzero.errors import KvzeroError

__all__ = ["main"]


def main() -> None:
    """Serve the line whose descriptor is the first argument of the process."""
    # They are for the process that trains, which ends this one.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as line, suppress(EOFError, OSError):  # which say that the line was closed
        _serve(line)


def _serve(line: Connection) -> None:
    config, first_index, num_envs = line.recv()
    try:
        envs = make_slice(config, num_envs=num_envs, first_index=first_index)
    except KvzeroError as error:
        line.send(error)
        return
    line.send(envs.spec)
    while True:
        request, argument = line.recv()
        try:
            line.send(envs.reset(argument) if request == "reset" else envs.step(argument))
        except KvzeroError as error:
            line.send(error)
