"""The other end of a worker: its process, the questions put to it, and what is told of one that has died."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import wait

from kvzero.training.comparison.messages import Command, Failed, Job, Reply, Stop
from kvzero.training.comparison.worker import work
from kvzero.training.stopping import ignoring_stops

__all__ = ["Worker"]

LOOK_SECONDS = 0.2
"""How long a wait for a reply lasts before it is looked whether to stop."""
END_SECONDS = 30.0
"""How long a worker may take to close its files."""


class Worker:
    """A process that holds one run. It computes only between a question and its reply."""

    def __init__(self, job: Job) -> None:
        """Start the process; its first reply comes with `await_reply`."""
        context = multiprocessing.get_context("spawn")
        self.job = job
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, job), name=job.name, daemon=True)
        with ignoring_stops():  # which the process inherits: they are for the one that compares
            self._process.start()
        theirs.close()

    def ask(self, command: Command, should_stop: Callable[[], bool] | None = None) -> Reply:
        """Put a question and wait for its reply; `Failed` if the worker fails, dies, or has done so before."""
        try:
            self._connection.send(command)
        except OSError:
            return self._obituary()
        return self.await_reply(should_stop)

    def await_reply(self, should_stop: Callable[[], bool] | None = None) -> Reply:
        """Return the next reply; a worker is told to stop once `should_stop` says so."""
        is_told = should_stop is None
        while not wait([self._connection, self._process.sentinel], LOOK_SECONDS):
            if not is_told and should_stop is not None and should_stop():
                self._connection.send(Stop())
                is_told = True
        try:
            reply: Reply = self._connection.recv()
        except (EOFError, OSError):
            return self._obituary()
        return reply

    def close(self) -> None:
        """Let the process end, and make it end where it does not."""
        self._connection.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _obituary(self) -> Failed:
        self._process.join()
        lines = self.job.log.read_text(errors="replace").split("\n") if self.job.log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        code = self._process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return Failed(f"its process {how}: {last}; see {self.job.log}")
